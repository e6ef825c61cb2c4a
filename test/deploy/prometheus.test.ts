import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { alertExpressions, alertNames, deployed } from '../support/deployed.js';
import { promtool, promtoolMissing } from '../support/prometheus-text.js';
import { selectorsIn } from '../support/promql.js';

describe.skipIf(promtoolMissing !== undefined)('what Prometheus is given', () => {
  test.each([
    ['its configuration', ['check', 'config', deployed('prometheus/prometheus.yml')]],
    ['the alert rules', ['check', 'rules', '--lint=all', '--lint-fatal', deployed('prometheus/alerts.yml')]],
  ])('promtool finds that %s is valid', (_, args) => {
    const { status, output } = promtool(args);
    expect(status, output).toBe(0);
  });

  test('each alert fires when it should, and not else', () => {
    const { status, output } = promtool(['test', 'rules', deployed('prometheus/alerts.test.yml')]);
    expect(status, output).toBe(0);
  });
});

test('each alert has a test in which it fires, and says what to do', () => {
  const tests = readFileSync(deployed('prometheus/alerts.test.yml'), 'utf8');
  const rules = readFileSync(deployed('prometheus/alerts.yml'), 'utf8');
  expect(alertNames.length).toBeGreaterThan(0);
  expect(alertNames.filter((name) => !tests.includes(`ALERTS{alertname="${name}", alertstate="firing"`))).toEqual([]);
  for (const part of ['severity', 'summary', 'description', 'runbook']) {
    expect([...rules.matchAll(new RegExp(`^ +${part}: `, 'gm'))], part).toHaveLength(alertNames.length);
  }
});

test('each alert looks at the agents', () => {
  const others = alertExpressions.filter(
    ({ expression }) => selectorsIn(expression).length === 0 && !expression.startsWith('up{job="kvferry"}'),
  );
  expect(alertExpressions).toHaveLength(alertNames.length);
  expect(others).toEqual([]);
});
