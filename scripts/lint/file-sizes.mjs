// The length of source files of every language. A file that grows beyond the limit holds more than one concept.

const LINES_MAX = 400;
const SOURCE = /^(bench|machines|scripts|src)\/.*\.(ts|tsx|mjs|css|cc|h|py)$/;

/** The files that are too long. `read` gives a file's text. */
export function complaintsAboutSizes(files, read) {
  return files
    .filter((file) => SOURCE.test(file))
    .map((file) => [file, read(file).split('\n').length - 1])
    .filter(([, lines]) => lines > LINES_MAX)
    .map(([file, lines]) => `${file}: ${lines} lines; split it, since a file has at most ${LINES_MAX}`);
}
