/** Runs chaos: faults under load, then a quiet phase, then a check for leaks and requests without an end. */
import { setTimeout as delay } from 'node:timers/promises';
import { askEnd } from '../../../src/client/ask-end.js';
import { Teardown } from '../../../src/processes/teardown.js';
import { poll } from '../../../src/processes/within.js';
import { KvferryError } from '../../../src/protocol/errors.js';
import { measureCancels } from './cancel-phase.js';
import { CALL_TIMEOUT_MS, ChaosCluster } from './chaos-cluster.js';
import { Faults } from './faults.js';
import { brokenLimits } from './limits.js';
import { Load } from './load.js';
import { MortalEngines } from './mortal-engines.js';
import { quiesce } from './quiesce.js';
import { Samples, type Summary } from './samples.js';

/** Fraction of the time, at its end, in which no receiver is killed. */
const SPARED = 0.3;
/** Number of violations in the report. */
const EXAMPLES_MAX = 10;

export interface ChaosOptions {
  readonly durationMs: number;
  readonly seed: number;
  /** The run goes on until so many agents were killed, if that is soon. */
  readonly killsMin: number;
  /** Number of cancels to measure in the quiet phase. */
  readonly cancels: number;
  /** So many milliseconds beyond a limit of time break no limit. */
  readonly roomMs: number;
  /** Directory for the logs of the agents. Without it the logs are deleted at the end. */
  readonly logDirectory?: string | undefined;
}

export interface ChaosReport {
  readonly kills: number;
  readonly stops: number;
  readonly restarts: number;
  /** Routes between NATS servers that were cut or reset. */
  readonly natsCuts: number;
  /** NATS servers that stood still with their connections open. */
  readonly natsFreezes: number;
  /** NATS servers that were killed or replaced. */
  readonly natsRestarts: number;
  /** Steps of the wall clock of an agent. */
  readonly clockSteps: number;
  /** Engines that were gone without a word, with requests in progress. */
  readonly engineDeaths: number;
  readonly hogs: number;
  readonly requests: number;
  readonly ends: Readonly<Record<string, number>>;
  readonly wrongBytes: number;
  readonly missingPages: number;
  readonly lostPages: number;
  readonly lostSourceChunks: number;
  readonly withoutEnd: number;
  /** Requests without a received announcement, whose end an agent knew when asked. */
  readonly askedFor: number;
  /** Requests that no agent knows and whose sender has restarted. By the router's rule they have failed. */
  readonly endedByEpoch: number;
  /** Requests with two different ends, although the agent that announced first lived on. */
  readonly twoEnds: number;
  /** Number of second announcements, by both ends with their codes. */
  readonly announcedTwice: Readonly<Record<string, number>>;
  readonly pagesVerified: number;
  readonly detectMs: Summary;
  readonly reclaimMs: Summary;
  readonly receiverErrorMs: Summary;
  readonly receiverErrorsLate: number;
  readonly cancelMs: Summary;
  /** Requests of the quiet phase that were repeated, because a busy machine silenced an agent. */
  readonly cancelsRepeated: number;
  readonly zombies: number;
  readonly zombieWritesRejected: number;
  readonly cancels: number;
  readonly neverReleased: number;
  readonly stepsKilledAt: number;
  readonly refusals: Readonly<Record<string, number>>;
  readonly seed: number;
  /** Violations of the promises, as text. */
  readonly violations: readonly string[];
  /** Measured times above their limits, as text. */
  readonly limitsBroken: readonly string[];
}

/** Runs chaos and resolves to its report. Rejects if the run could not finish. */
export async function runChaos(options: ChaosOptions, say: (line: string) => void): Promise<ChaosReport> {
  const teardown = new Teardown();
  const interrupted = interruption(teardown);
  try {
    return await Promise.race([perform(options, say, teardown), interrupted]);
  } finally {
    await teardown.run((error) => say(`clean-up: ${String(error)}`));
  }
}

async function perform(options: ChaosOptions, say: (line: string) => void, teardown: Teardown): Promise<ChaosReport> {
  const { durationMs, seed, cancels, logDirectory } = options;
  const cluster = await ChaosCluster.start({ seed, logDirectory }, teardown);
  const load = new Load(cluster);
  const engines = new MortalEngines(cluster, load, `${cluster.pool.path}-mortal`);
  const faults = new Faults(cluster, load, engines);
  say(`chaos for ${durationMs / 1000} s: ${cluster.slots.map(({ name }) => name).join(', ')}; seed ${seed}`);
  load.start();
  faults.start();
  const failed = Promise.all([load.failure(), faults.failure()]);
  await Promise.race([delay(durationMs * (1 - SPARED)), failed]);
  faults.spare();
  await Promise.race([delay(durationMs * SPARED), failed]);
  // A short run may have had too few faults, and other faults may have prevented that a sender stops in a write.
  const enough = async () => (faults.zombieWritesRejected > 0 && cluster.kills >= options.killsMin) || undefined;
  await Promise.race([poll(durationMs * LONGER_MAX, enough), failed]);
  await faults.stop();
  await cluster.measured();
  await load.stop();
  await engines.settled();
  const { kills } = cluster;
  say('quiet: requests end, leases expire');
  const left = await quiesce(cluster);
  const { reader, ledger } = cluster;
  const requests = { requests: ledger.size, ends: ledger.ends() };
  const orphans = await askForEnds(cluster);
  const quiet =
    left.pages === 0 ? await measureCancels(cluster, load, cancels) : { samples: new Samples(), repeated: 0 };
  const report = {
    kills,
    stops: faults.stops,
    restarts: faults.restarts,
    natsCuts: cluster.nats.cuts + cluster.nats.resets,
    natsFreezes: cluster.nats.freezes,
    natsRestarts: cluster.nats.restarts,
    clockSteps: cluster.clockSteps,
    engineDeaths: engines.deaths,
    hogs: faults.hogs,
    ...requests,
    wrongBytes: reader.wrong.length,
    missingPages: reader.missing.length,
    lostPages: left.pages,
    lostSourceChunks: left.sourceChunks,
    withoutEnd: orphans.withoutEnd.length,
    askedFor: orphans.askedFor,
    endedByEpoch: orphans.endedByEpoch,
    twoEnds: ledger.twoEnds.length,
    announcedTwice: ledger.announcedTwice,
    pagesVerified: reader.pagesVerified,
    detectMs: cluster.detectMs.summary(),
    reclaimMs: cluster.reclaimMs.summary(),
    receiverErrorMs: cluster.receiverErrorMs.summary(),
    receiverErrorsLate: cluster.late.length,
    cancelMs: quiet.samples.summary(),
    cancelsRepeated: quiet.repeated,
    zombies: faults.zombies,
    zombieWritesRejected: faults.zombieWritesRejected,
    cancels: load.cancels,
    neverReleased: load.neverReleased,
    stepsKilledAt: faults.stepsReached.size,
    refusals: load.refusals,
    seed,
  };
  const violations = [...reader.wrong, ...reader.missing, ...left.words, ...orphans.withoutEnd, ...ledger.twoEnds];
  return {
    ...report,
    violations: violations.slice(0, EXAMPLES_MAX),
    limitsBroken: brokenLimits(report, options.roomMs),
  };
}

/** A run goes on for up to so many times its length, until enough agents were killed and a late write was rejected. */
const LONGER_MAX = 2;

/** Asks the agents about every accepted request whose end was not received. */
async function askForEnds(cluster: ChaosCluster) {
  const { ledger, client } = cluster;
  const withoutEnd: string[] = [];
  let askedFor = 0;
  let endedByEpoch = 0;
  for (const entry of ledger.open()) {
    const end = await askEnd(client, entry, { timeoutMs: CALL_TIMEOUT_MS });
    if (end === 'lost') endedByEpoch += 1;
    else if (end !== undefined) askedFor += 1;
    else withoutEnd.push(`${entry.request} (${entry.sender} to ${entry.receiver}) is in progress and does not end`);
  }
  return { withoutEnd, askedFor, endedByEpoch };
}

function interruption(teardown: Teardown): Promise<never> {
  return new Promise((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      const end = () => reject(new KvferryError('cancelled_by_caller', `chaos was ended by ${signal}`));
      process.on(signal, end);
      teardown.defer(() => void process.off(signal, end));
    }
  });
}
