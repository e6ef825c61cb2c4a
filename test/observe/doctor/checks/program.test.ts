import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { checkAddon } from '../../../../src/observe/doctor/checks/addon.js';
import { checkNodeVersion, NODE_OLDEST } from '../../../../src/observe/doctor/checks/node-version.js';
import { brief, examination } from '../support.js';

test.each(['v20.19.0', 'v20.20.2', 'v22.0.0'])('Node %s is new enough', (nodeVersion) => {
  expect(brief(checkNodeVersion(examination({ machine: { nodeVersion } })))).toEqual([
    ['ok', `kvferry 0.1.0 on Node ${nodeVersion}`],
  ]);
});

test.each(['v20.18.9', 'v18.20.0'])('Node %s is too old', (nodeVersion) => {
  expect(brief(checkNodeVersion(examination({ machine: { nodeVersion } })))).toEqual([
    ['problem', `Node ${nodeVersion} is older than 20.19`, 'install Node 20.19 or later'],
  ]);
});

test('the oldest Node is the one that the package asks for', () => {
  const { engines } = JSON.parse(readFileSync('package.json', 'utf8')) as { engines: { node: string } };
  expect(engines.node).toBe(`>=${NODE_OLDEST}`);
});

test('the addon loads, or the reason is said', () => {
  expect(brief(checkAddon(examination()))).toEqual([['ok', 'the native addon loads']]);
  expect(brief(checkAddon(examination({ fabric: { addon: false, reason: 'it is not built' } })))).toEqual([
    [
      'problem',
      'it is not built',
      'npm rebuild kvferry (in a checkout: npm run build:native); it needs a C++ compiler, make and python3 (Debian: build-essential python3)',
    ],
  ]);
});
