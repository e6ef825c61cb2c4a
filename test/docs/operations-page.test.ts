import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { help } from '../../src/cli/top/view.js';
import { configFields } from '../../src/config/agent-config.js';
import { judgeProbe } from '../../src/observe/doctor/probe/judge.js';
import { runChecks } from '../../src/observe/doctor/run-checks.js';
import { decode, examination, prefill } from '../observe/doctor/support.js';

const page = readFileSync('docs/operations.md', 'utf8');
/** The first column of a table. */
const firstCells = page.split('\n').flatMap((line) => /^\| (.+?) \|/.exec(line)?.[1] ?? []);
const named = firstCells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name));

test('explains every check of the doctor', async () => {
  const unavailable = [{ provider: 'verbs', reason: 'no device' }] as const;
  const agents = [decode({ description: { unavailable: [...unavailable] } }), prefill()];
  const findings = [
    ...(await runChecks(examination({ agents, flags: { tcpPort: '47000' } }))),
    judgeProbe('p1 → d1', { kind: 'elsewhere' }, undefined),
  ];
  const checks = [...new Set(findings.map(({ check }) => check))];
  expect(checks).toHaveLength(33);
  expect(checks.filter((check) => !named.includes(check))).toEqual([]);
});

test('names only settings that there are', () => {
  const settings = new Set(configFields.map(({ flag }) => flag));
  const others = [
    '--nats',
    '--probe',
    '--nats-inbox',
    '--from',
    '--to',
    '--json',
    '--once',
    '--agent',
    '--request',
    '--wait',
    '--limit',
    '--print-config',
  ];
  const flags = [...page.matchAll(/`(--[a-z-]+)/g)].map(([, flag]) => flag as string);
  const docker = ['--scale', '--shm-size', '--ulimit'];
  expect(flags.filter((flag) => !settings.has(flag) && ![...others, ...docker].includes(flag))).toEqual([]);
});

test('explains the keys of top', () => {
  const keys = help.split(/ {2,}/).map((each) => each.split(' ')[0] as string);
  expect(keys.filter((key) => !page.includes(`\`${key}\``))).toEqual(['↑↓']);
});
