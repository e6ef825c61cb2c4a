/** The files in `deploy/` for Prometheus and Grafana, and the PromQL expressions of the dashboard and the alert rules. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

export interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
}

/** An expression, the panel or rule that contains it, and the labels that are shown with its results. */
export interface NamedExpression {
  readonly where: string;
  readonly expression: string;
  readonly shown: readonly string[];
}

const deploy = new URL('../../deploy/', import.meta.url);

export function deployed(path: string): string {
  return fileURLToPath(new URL(path, deploy));
}

export const dashboard: Dashboard = JSON.parse(readFileSync(deployed('grafana/dashboards/kvferry.json'), 'utf8'));

export const dashboardExpressions: readonly NamedExpression[] = [
  ...dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => ({ where: title, expression: expr, shown: labelsIn(legendFormat) })),
  ),
  ...dashboard.annotations.list.map(({ expr }) => ({ where: 'annotations', expression: expr, shown: [] })),
  ...dashboard.templating.list.flatMap(({ name, definition }) =>
    definition === undefined ? [] : [{ where: `variable ${name}`, expression: definition, shown: [] }],
  ),
];

const rules = readFileSync(deployed('prometheus/alerts.yml'), 'utf8');

export const alertNames = [...rules.matchAll(/^ +- alert: (\w+)$/gm)].map(([, name]) => name as string);

/** One expression for each of `alertNames`. */
export const alertExpressions: readonly NamedExpression[] = rules
  .split(/^ +- alert: /m)
  .slice(1)
  .map((rule) => {
    const [, block, line] = /^ +expr: (?:\|\n((?: {10,}.*\n)+)|(.+)\n)/m.exec(rule) ?? [];
    return { where: rule.slice(0, rule.indexOf('\n')), expression: block ?? line ?? '', shown: [] };
  });

/** `{{agent}} p99` → agent. */
function labelsIn(legend: string): string[] {
  return [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label as string);
}
