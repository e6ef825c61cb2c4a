/** Runs inside the guest: the checks that the host ordered, one after the other. The host's directory gets the result. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { checkDemo } from './check-demo.js';
import { checkDoctor } from './check-doctor.js';
import { type Check, type GuestOrder, type GuestResult, suites } from './order.js';
import { runSuites } from './run-suites.js';

const JOB = '/job';
const COUNTERS = '/sys/class/infiniband/rxe0/ports/1/hw_counters';

const order = JSON.parse(readFileSync(`${JOB}/order.json`, 'utf8')) as GuestOrder;
const broken: string[] = [];
const seconds: Record<string, number> = {};

/** Children of this process get them too. */
process.env['KVFERRY_BIND_ADDRESS'] = order.address;
process.env['KVFERRY_PATIENCE'] = `${order.patience}`;

const doctor = await step(['doctor'], () => checkDoctor(order));
const tested = await step(suites, (asked) => runSuites(asked, JOB));
const demo = await step(['demo'], () => checkDemo(order));

const result: GuestResult = {
  kernel: release(),
  ...(doctor && { doctor }),
  ...tested,
  ...(demo && { demo }),
  counters: counters(),
  seconds,
  broken: [...broken, ...kernelFaults()],
};
writeFileSync(`${JOB}/result.json`, JSON.stringify(result));

/** Does those of these checks that were ordered. */
async function step<C extends Check, T>(
  checks: readonly C[],
  run: (asked: readonly C[]) => Promise<T>,
): Promise<T | undefined> {
  const asked = checks.filter((check) => order.checks.includes(check));
  if (asked.length === 0) return undefined;
  const name = asked.join(' and ');
  console.log(`${name} …`);
  const startMs = performance.now();
  try {
    return await run(asked);
  } catch (error) {
    broken.push(`${name}: ${(error as Error).message}`);
    return undefined;
  } finally {
    seconds[name] = Math.round((performance.now() - startMs) / 1000);
    console.log(`${name} ended after ${seconds[name]} s`);
  }
}

/** The device's own: it counts everything that goes through it. */
function counters(): Record<string, number> {
  const all = readdirSync(COUNTERS).map((name) => [name, Number(readFileSync(`${COUNTERS}/${name}`, 'utf8'))] as const);
  return Object.fromEntries(all.filter(([, count]) => count > 0));
}

/** A fault of the kernel may spoil what the checks found. */
function kernelFaults(): string[] {
  const lines = execFileSync('dmesg', { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => /\b(?:BUG|WARNING|Oops|rcu_sched|soft lockup|Out of memory)\b/.test(line));
}
