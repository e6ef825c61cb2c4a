/** What must not be in the package: tests, secrets, and places of the machine that made it. */

/** Where files of the package may be. */
const WANTED: readonly RegExp[] = [
  /^(package\.json|README\.md|CHANGELOG\.md|LICENSE|binding\.gyp)$/,
  /^dist\/(src|machines)\/.+\.(js|d\.ts|html|css|svg|png|ico|woff2)$/,
  /^src\/native\/cc\/.+\.(cc|h)$/,
  /^prebuilds\/linux-(x64|arm64)\/node\.napi\.glibc\.node$/,
  /^scripts\/(package\/install|setup\/node-headers)\.mjs$/,
];
/** Private keys, seeds and credentials, as their formats begin. */
const SECRET =
  /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[\r\n]+[A-Za-z0-9+/=]{16}|\bS[UAOCNX][A-Z2-7]{56}\b|\beyJ[\w-]{20,}\.eyJ[\w-]{20,}\./;

export interface PackedFile {
  readonly name: string;
  readonly content: Buffer;
}

/** What is wrong with the files, as text. `root`: the checkout from which they were packed. */
export function unwantedFiles(files: readonly PackedFile[], root: string): string[] {
  return files.flatMap(({ name, content }) => {
    const text = content.toString('latin1');
    return [
      WANTED.some((pattern) => pattern.test(name)) ? '' : `${name} is no part of the package`,
      SECRET.test(text) ? `${name} has a private key or credentials` : '',
      text.includes(root) ? `${name} names the folder of the checkout` : '',
    ].filter((fault) => fault !== '');
  });
}
