import { expect, test } from 'vitest';
import { unwantedFiles } from '../../scripts/package/unwanted-files.js';

const ROOT = '/home/someone/kvferry';

function faultsOf(name: string, text = ''): string[] {
  return unwantedFiles([{ name, content: Buffer.from(text) }], ROOT);
}

test.each([
  'package.json',
  'LICENSE',
  'dist/src/cli/main.js',
  'dist/src/client/index.d.ts',
  'dist/src/observe/inspector/page/index.html',
  'src/native/cc/tcp/stream.cc',
  'prebuilds/linux-x64/node.napi.glibc.node',
  'scripts/package/install.mjs',
])('the package may have %s', (name) => {
  expect(faultsOf(name)).toEqual([]);
});

test.each([
  'dist/test/proof/chaos/main.js',
  'dist/src/cli/main.js.map',
  'dist/.tsbuildinfo',
  'test/support/program.ts',
  '.ci/run',
  'keys/decode.creds',
  'prebuilds/linux-x64/other.node',
])('the package has %s → it is named', (name) => {
  expect(faultsOf(name)).toEqual([`${name} is no part of the package`]);
});

test.each([
  ['a private key', `-----BEGIN PRIVATE KEY-----\n${'M'.repeat(64)}\n`],
  ['a seed of NATS', `const seed = '${`SU${'A'.repeat(56)}`}';`],
  ['a token', `eyJ${'a'.repeat(30)}.eyJ${'b'.repeat(30)}.c`],
])('a file has %s → it is named', (_, text) => {
  expect(faultsOf('dist/src/cli/main.js', text)).toEqual(['dist/src/cli/main.js has a private key or credentials']);
});

test('a file has the folder of the checkout → it is named', () => {
  expect(faultsOf('dist/src/cli/main.js', `//# ${ROOT}/src`)).toEqual([
    'dist/src/cli/main.js names the folder of the checkout',
  ]);
});
