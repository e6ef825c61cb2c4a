// The length of source files of every language, and the size of any file. A source file that grows beyond the limit holds more than
// one concept. Another large file is output of a program that was added by mistake.

const LINES_MAX = 400;
const MIB = 2 ** 20;
const BYTES_MAX = MIB;
const SOURCE = /^(bench|clients|machines|scripts|src)\/.*\.(ts|tsx|mjs|css|cc|h|py)$/;

/** The files that are too long. `read` gives a file's text. */
export function complaintsAboutSizes(files, read) {
  return files
    .filter((file) => SOURCE.test(file))
    .map((file) => [file, read(file).split('\n').length - 1])
    .filter(([, lines]) => lines > LINES_MAX)
    .map(([file, lines]) => `${file}: ${lines} lines; split it, since a file has at most ${LINES_MAX}`);
}

/** The files that no repository needs. `bytesOf` gives the size of a file. */
export function complaintsAboutBytes(files, bytesOf) {
  return files
    .filter((file) => bytesOf(file) > BYTES_MAX)
    .map(
      (file) =>
        `${file}: ${Math.ceil(bytesOf(file) / MIB)} MiB; remove it, since a file has at most ${BYTES_MAX / MIB} MiB`,
    );
}
