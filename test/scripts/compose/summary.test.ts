import { expect, test } from 'vitest';
import { Findings } from '../../../scripts/compose/summary.js';
import type { DemoReport } from '../../../src/cli/demo/report.js';

function report(changes: Partial<DemoReport>): DemoReport {
  const counts = { requests: 64, ready: 64, mismatches: 0, leakedPages: 0, violations: [] as string[] };
  return { ...counts, ...changes } as DemoReport;
}

test('every load is as it should be → up, recovered, and the sum of requests', () => {
  const findings = new Findings();
  findings.up = true;
  findings.agents = 6;
  findings.panels = { withData: 20, all: 21 };
  findings.whenWell('after up', report({}));
  findings.duringFault('a kill', report({ requests: 200, ready: 190, leakedPages: 3 }));
  expect(findings.summary('debian', 240)).toEqual({
    up: true,
    requests: 254,
    mismatches: 0,
    recovered: true,
    agents: 6,
    tls: false,
    images: 'debian',
    panels: { withData: 20, all: 21 },
    grafana: false,
    leftovers: [],
    broken: [],
    seconds: 240,
  });
});

test('failed requests, a wrong byte and a bridge left → each in words', () => {
  const findings = new Findings();
  findings.up = true;
  findings.whenWell('scaled', report({ ready: 63, leakedPages: 1 }));
  findings.duringFault('a kill', report({ ready: 0, mismatches: 2, violations: ['r1 ended twice'] }));
  findings.leftovers = ['bridges: docker0'];
  expect(findings.summary('registry', 1)).toMatchObject({
    requests: 63,
    mismatches: 2,
    recovered: false,
    leftovers: ['bridges: docker0'],
    broken: [
      'scaled: 63 of 64 requests became ready',
      'scaled: 1 pages leaked',
      'a kill: 2 mismatches',
      'a kill: r1 ended twice',
      'a kill: no request became ready',
      'left behind: bridges: docker0',
    ],
  });
});
