/** The program of `npm run test:hosts` inside its namespaces: runs the cases, and reports to its parent. */
import { mkdirSync } from 'node:fs';
import { connectClient } from '../../src/client/connect-client.js';
import { RequestEnds } from '../../src/client/request-ends.js';
import { startNatsServer } from '../../src/processes/nats-server.js';
import { allCases } from './cases/all.js';
import type { HostsCase } from './cases/hosts-case.js';
import type { HostsOrder, HostsResult } from './hosts-result.js';
import { run as runProgram } from './network/command.js';
import { hasNetem, Router } from './network/router.js';
import type { HostsRun } from './site.js';
import { Tally } from './tally.js';

const LOGS = '/dev/shm/logs';
const MIB = 1024 ** 2;
const MS_PER_SECOND = 1_000;

// The kernel ends every process and removes every network of the run with this process.
process.once('disconnect', () => process.exit(1));
const order = JSON.parse(process.argv[2] ?? '') as HostsOrder;
const say = (line: string) => console.log(line);

/** What the router's namespaces hold goes with them, logs too. */
async function start(): Promise<HostsRun> {
  runProgram('mount', '-t', 'tmpfs', '-o', 'size=64m,mode=1777', 'tmpfs', '/dev/shm');
  mkdirSync(LOGS);
  const router = new Router();
  const nats = await startNatsServer({ directory: LOGS, args: ['--addr', '0.0.0.0'] });
  const client = await connectClient({ servers: nats.url, name: 'kvferry test:hosts' });
  const tally = new Tally();
  tally.watch(client);
  const ends = new RequestEnds(client);
  await client.flush();
  return { router, natsPort: nats.port, client, ends, tally, say };
}

/** Why the case failed, or undefined. */
async function runCase(one: HostsCase, hosts: HostsRun): Promise<string | undefined> {
  const startMs = performance.now();
  let broken: string | undefined;
  try {
    await one.run(hosts);
  } catch (error) {
    broken = `${one.name}: ${messages(error).join('; then ')}`;
  }
  const seconds = ((performance.now() - startMs) / MS_PER_SECOND).toFixed(1);
  say(`${broken === undefined ? 'passed' : 'FAILED'}  ${seconds.padStart(5)} s  ${broken ?? one.name}`);
  return broken;
}

/** A failure, and what failed in cleaning up after it, which `await using` puts around it. */
function messages(error: unknown): string[] {
  if (!(error instanceof Error)) return [String(error)];
  const { suppressed, error: later } = error as Partial<SuppressedError>;
  return suppressed === undefined ? [error.message] : [...messages(suppressed), ...messages(later)];
}

const hosts = await start();
const wanted = allCases.filter(({ name }) => order.only.length === 0 || order.only.some((text) => name.includes(text)));
const failures: string[] = [];
const skipped: string[] = [];
for (const one of wanted) {
  const reason = one.whySkipped?.();
  if (reason === undefined) failures.push(...[await runCase(one, hosts)].filter((broken) => broken !== undefined));
  else {
    skipped.push(one.name);
    say(`skipped           ${one.name}: ${reason}`);
  }
}
const { tally } = hosts;
const result: HostsResult = {
  cases: wanted.length - skipped.length,
  skipped,
  failed: failures.length,
  requests: tally.requests,
  mismatches: tally.mismatches.length,
  secondEnds: tally.secondEnds.length,
  attackConnections: tally.attackConnections,
  rssGrowthMiB: Math.round(tally.rssGrowthBytes / MIB),
  slowLink: hasNetem() ? 'netem' : 'tap',
  broken: [...failures, ...tally.mismatches, ...tally.secondEnds],
};
process.send?.(result, undefined, undefined, () => process.exit(0));
