import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { dashboard, dashboardExpressions } from '../support/deployed.js';
import { promtool, promtoolMissing } from '../support/prometheus-text.js';

const COLUMNS = 24;
const panels = dashboard.panels.filter(({ type }) => type !== 'row');

describe('the dashboard', () => {
  test('says of each panel what it shows', () => {
    expect(panels.length).toBeGreaterThan(0);
    expect(panels.filter(({ description }) => !description)).toEqual([]);
    expect(panels.filter(({ targets = [] }) => targets.length === 0)).toEqual([]);
  });

  test('has no two panels in one place, and none outside', () => {
    const overlaps = dashboard.panels.flatMap((one, index) =>
      dashboard.panels.slice(index + 1).flatMap((other) => {
        const [a, b] = [one.gridPos, other.gridPos];
        const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
        return apart ? [] : [[one.title, other.title]];
      }),
    );
    expect(overlaps).toEqual([]);
    expect(dashboard.panels.filter(({ gridPos }) => gridPos.x + gridPos.w > COLUMNS)).toEqual([]);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  });

  test('keeps to the agents that were chosen', () => {
    const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    const selectors = queries.flatMap((expr) => expr.match(/\b(?:kvferry|process|nodejs)_\w+(?:\{[^}]*\})?/g) ?? []);
    expect(selectors.filter((selector) => !selector.includes('{job=~"$job",agent=~"$agent"'))).toEqual([]);
  });

  test.skipIf(promtoolMissing !== undefined)('asks in valid PromQL', () => {
    const directory = mkdtempSync(join(tmpdir(), 'kvferry-dashboard-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const rules = dashboardExpressions
      .filter(({ where }) => !where.startsWith('variable '))
      .map(({ expression }, index) => ({
        record: `panel:${index}`,
        expr: expression.replaceAll(/\$__\w+/g, '5m').replaceAll(/\$\w+/g, '.+'),
      }));
    const path = join(directory, 'rules.yml');
    // JSON is YAML.
    writeFileSync(path, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
    const { status, output } = promtool(['check', 'rules', '--lint=none', path]);
    expect(status, output).toBe(0);
  });
});
