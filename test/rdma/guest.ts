/** Runs inside the guest: the checks that the host ordered, one after the other. The host's directory gets the result. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { checkDemo } from './check-demo.js';
import { checkDoctor } from './check-doctor.js';
import type { Check, GuestOrder, GuestResult } from './order.js';
import { runSuites } from './run-suites.js';

const JOB = '/job';
const COUNTERS = '/sys/class/infiniband/rxe0/ports/1/hw_counters';

const order = JSON.parse(readFileSync(`${JOB}/order.json`, 'utf8')) as GuestOrder;
const broken: string[] = [];
const seconds: Record<string, number> = {};

/** Children of this process get them too. */
process.env['KVFERRY_BIND_ADDRESS'] = order.address;
process.env['KVFERRY_PATIENCE'] = `${order.patience}`;

const doctor = await step('doctor', () => checkDoctor(order));
const suites = await step('contract', () => runSuites(order, JOB), ['contract', 'device']);
const demo = await step('demo', () => checkDemo(order));

const result: GuestResult = {
  kernel: release(),
  ...(doctor && { doctor }),
  ...suites,
  ...(demo && { demo }),
  counters: counters(),
  seconds,
  broken,
};
writeFileSync(`${JOB}/result.json`, JSON.stringify(result));

async function step<T>(
  check: Check,
  run: () => Promise<T>,
  wanted: readonly Check[] = [check],
): Promise<T | undefined> {
  const asked = wanted.filter((one) => order.checks.includes(one));
  if (asked.length === 0) return undefined;
  const name = asked.join(' and ');
  console.log(`guest: ${name} …`);
  const startMs = performance.now();
  try {
    return await run();
  } catch (error) {
    broken.push(`${name}: ${(error as Error).message}`);
    return undefined;
  } finally {
    seconds[name] = Math.round((performance.now() - startMs) / 1000);
    console.log(`guest: ${name} ended after ${seconds[name]} s`);
  }
}

/** The device's own: it counts everything that goes through it. */
function counters(): Record<string, number> {
  const all = readdirSync(COUNTERS).map((name) => [name, Number(readFileSync(`${COUNTERS}/${name}`, 'utf8'))] as const);
  return Object.fromEntries(all.filter(([, count]) => count > 0));
}
