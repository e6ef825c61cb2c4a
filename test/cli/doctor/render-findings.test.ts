import { expect, test } from 'vitest';
import { renderFindings } from '../../../src/cli/doctor/render-findings.js';
import type { Finding } from '../../../src/observe/doctor/finding.js';

const findings: readonly Finding[] = [
  { group: 'nats', check: 'nats', severity: 'problem', finding: 'no NATS', remedy: 'start one' },
  { group: 'program', check: 'addon', severity: 'ok', finding: 'the addon loads' },
  { group: 'nats', check: 'jetstream', severity: 'note', finding: 'an agent says \u001B[31mred\u001B[0m' },
  {
    group: 'agents',
    check: 'peers',
    severity: 'warning',
    finding: 'one two three four five',
    remedy: 'six seven eight',
  },
];

test('groups findings in a fixed order, aligned, with remedies below, and counts them', () => {
  expect(renderFindings(findings, { colours: false }).split('\n')).toEqual([
    'Program',
    '  ok       the addon loads',
    '',
    'NATS',
    '  PROBLEM  no NATS',
    '           → start one',
    '  note     an agent says ?[31mred?[0m',
    '',
    'Agents',
    '  WARNING  one two three four five',
    '           → six seven eight',
    '',
    '1 problem, 1 warning, 1 note, 1 ok',
  ]);
});

test('breaks lines at the width of the screen, but not on a very narrow one', () => {
  const long: Finding = {
    group: 'nats',
    check: 'nats',
    severity: 'warning',
    finding: 'one two three four five six seven',
    remedy: 'eight nine ten eleven twelve thirteen',
  };
  expect(renderFindings([long], { colours: false, columns: 40 }).split('\n')).toEqual([
    'NATS',
    '  WARNING  one two three four five six',
    '           seven',
    '           → eight nine ten eleven',
    '             twelve thirteen',
    '',
    '1 warning',
  ]);
  expect(renderFindings([long], { colours: false, columns: 20 }).split('\n')).toHaveLength(5);
});

test('colours what matters, and no text from elsewhere', () => {
  expect(renderFindings(findings.slice(0, 1), { colours: true }).split('\n')).toEqual([
    '\u001B[1mNATS\u001B[0m',
    '  \u001B[31mPROBLEM\u001B[0m  no NATS',
    '           → start one',
    '',
    '1 problem',
  ]);
});
