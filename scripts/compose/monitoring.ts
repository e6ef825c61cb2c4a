/** The profiles `metrics` and `inspector`: what Prometheus, Grafana and a browser see. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { poll } from '../../src/processes/within.js';
import type { Run } from './run.js';

const PROMETHEUS = 'http://127.0.0.1:9090';
const GRAFANA = 'http://127.0.0.1:3000';
const INSPECTOR = 'http://127.0.0.1:7070';
/** Prometheus looks for agents every 5 s, and scrapes each of them every 5 s. */
const TARGETS_MS_MAX = 60_000;
const POLL_MS = 500;

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

export async function checkMetrics(run: Run): Promise<void> {
  const { cluster, findings, hasGrafana } = run;
  const services = hasGrafana ? ['prometheus', 'grafana'] : ['prometheus'];
  // Without `--no-deps`, and without `--scale`: what runs stays as it is.
  await cluster.compose('--profile', 'metrics', 'up', '--wait', '--no-recreate', ...services);
  const agents = (await cluster.agents()).length;
  const up = await poll(TARGETS_MS_MAX, async () => ((await targetsUp(run)) === agents ? agents : undefined), POLL_MS);
  findings.expect(up === agents, `${await targetsUp(run)} of ${agents} agents are targets of Prometheus that are up`);
  const rules = await ask<{ groups: { rules: { health: string }[] }[] }>(run, '/api/v1/rules');
  const health = rules.groups.flatMap((group) => group.rules.map((rule) => rule.health));
  findings.expect(
    health.length > 0 && !health.includes('err'),
    `the alert rules are ${health.join(', ') || 'missing'}`,
  );
  findings.whenWell('under Prometheus', await cluster.demo());
  findings.panels = await panelsWithData(run);
  findings.grafana = hasGrafana && (await hasDashboard(run));
  findings.expect(findings.grafana || !hasGrafana, 'Grafana has no dashboard of kvferry');
}

export async function checkInspector({ cluster, findings }: Run): Promise<void> {
  await cluster.compose('--profile', 'inspector', 'up', '--wait', '--no-recreate', 'inspector');
  const { status, body } = await cluster.engine.get(`${INSPECTOR}/`);
  findings.expect(status === 200 && body.includes('<html'), `the page of the inspector answered ${status}`);
}

async function targetsUp(run: Run): Promise<number> {
  const { activeTargets } = await ask<{ activeTargets: { scrapePool: string; health: string }[] }>(
    run,
    '/api/v1/targets',
  );
  return activeTargets.filter(({ scrapePool, health }) => scrapePool === 'kvferry' && health === 'up').length;
}

/** Asks Prometheus what each panel of the dashboard asks. */
async function panelsWithData(run: Run): Promise<{ withData: number; all: number }> {
  const file = join(run.root, 'deploy/grafana/dashboards/kvferry.json');
  const panels = (JSON.parse(readFileSync(file, 'utf8')) as { panels: Panel[] }).panels.filter(
    ({ targets = [] }) => targets.length > 0,
  );
  const paths = panels.map(({ targets = [] }) => targets.map(({ expr }) => queryOf(expr)));
  const answers = (await askAll<{ result: unknown[] }>(run, paths.flat())).values();
  const results = paths.map((queries) => queries.map(() => answers.next().value?.result ?? []));
  const withData = results.filter((lists) => lists.some((list) => list.length > 0)).length;
  return { withData, all: panels.length };
}

async function hasDashboard({ cluster }: Run): Promise<boolean> {
  return (await cluster.engine.get(`${GRAFANA}/api/dashboards/uid/kvferry`)).status === 200;
}

/** Panels of Grafana ask for agents and intervals by variables. */
function queryOf(expression: string): string {
  const query = expression.replaceAll(/\$__\w+/g, '1m').replaceAll(/\$\w+/g, '.+');
  return `/api/v1/query?query=${encodeURIComponent(query)}`;
}

/** The data of an answer of Prometheus. */
async function ask<T>(run: Run, path: string): Promise<T> {
  const [data] = await askAll<T>(run, [path]);
  return data as T;
}

async function askAll<T>({ cluster }: Run, paths: readonly string[]): Promise<T[]> {
  const answers = await cluster.engine.getAll(paths.map((path) => `${PROMETHEUS}${path}`));
  return answers.map(({ status, body }, index) => {
    if (status !== 200) throw new Error(`Prometheus answered ${status} to ${paths[index]}: ${body.slice(0, 300)}`);
    return (JSON.parse(body) as { data: T }).data;
  });
}
