/** `kvferry doctor`: checks this host, NATS and the agents, and says how to fix each problem. */
import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import { connectClient } from '../client/connect-client.js';
import type { KvferryClient } from '../client/kvferry-client.js';
import type { AgentConfig } from '../config/agent-config.js';
import { probeNats } from '../control/nats-probe.js';
import { measureMemcpy, measureTcpStream } from '../native/baseline.js';
import { cudaStatus, libfabricOffers, nativeStatus } from '../native/native-status.js';
import { type Examination, type FabricFacts, inUse, type NatsFacts } from '../observe/doctor/examination.js';
import { examineCluster } from '../observe/doctor/examine-cluster.js';
import type { Finding } from '../observe/doctor/finding.js';
import { localSystem } from '../observe/doctor/local-system.js';
import type { Baselines } from '../observe/doctor/probe/expected-rate.js';
import { runProbes } from '../observe/doctor/probe/run-probes.js';
import { runChecks } from '../observe/doctor/run-checks.js';
import type { System } from '../observe/doctor/system.js';
import { isKvferryError, type KvferryError } from '../protocol/errors.js';
import { addSettings, resolveSettings, type SettingFlags } from './agent-settings.js';
import { renderFindings } from './doctor/render-findings.js';
import { type Interrupts, processInterrupts } from './interrupts.js';
import { type NatsPlace, placeOf } from './nats-option.js';
import { EXIT_FAILURE, type Terminal } from './terminal.js';
import { packageVersion } from './version.js';

/** Time between the two readings of the agents' counters. */
const WINDOW_MS = 1000;
const NAME = 'kvferry doctor';

interface DoctorFlags extends SettingFlags {
  readonly nats?: string;
  readonly json?: true;
  readonly probe?: true;
  readonly from?: string;
  readonly to?: string;
}

/** The host that the doctor examines. Tests pass their own. */
export interface DoctorWorld {
  readonly system: System;
  readonly fabric: (bindAddress: string) => Promise<FabricFacts>;
  readonly interrupts: () => Interrupts;
}

const thisHost: DoctorWorld = { system: localSystem, fabric: fabricFacts, interrupts: processInterrupts };

export function doctorCommand(terminal: Terminal, world: DoctorWorld = thisHost): Command {
  const command = new Command('doctor')
    .description(
      'Check this host, NATS and the running agents, and say how to fix what is wrong. ' +
        'Takes the same settings as kvferry agent. Exits 1 if an agent could not work.',
    )
    .option('--nats <url>', 'same as --nats-url')
    .option('--json', 'print the findings as one JSON array')
    .option('--probe', 'also move pages between agents, and compare the rate with what this host can do')
    .option('--from <agent>', 'with --probe: probe only from this prefill agent')
    .option('--to <agent>', 'with --probe: probe only to this decode agent');
  addSettings(command);
  return command.action(async ({ nats, ...flags }: DoctorFlags) => {
    if (!flags.probe && (flags.from ?? flags.to) !== undefined) {
      command.error("error: options '--from' and '--to' need '--probe'");
    }
    const natsUrl = flags['natsUrl'] ?? nats;
    const { values } = resolveSettings({ ...flags, ...(natsUrl === undefined ? {} : { natsUrl }) }, terminal.env);
    const interrupts = world.interrupts();
    try {
      const findings = await examine(values, flags, world, interrupts.signal, terminal);
      const colours = terminal.columns !== undefined && (terminal.env['NO_COLOR'] ?? '') === '';
      terminal.out(
        flags.json ? JSON.stringify(findings) : renderFindings(findings, { colours, columns: terminal.columns }),
      );
      if (findings.some(({ severity }) => severity === 'problem')) terminal.exitCode = EXIT_FAILURE;
    } finally {
      interrupts.dispose();
    }
  });
}

async function examine(
  settings: AgentConfig,
  flags: DoctorFlags,
  world: DoctorWorld,
  signal: AbortSignal,
  terminal: Terminal,
): Promise<Finding[]> {
  const { system } = world;
  const fabric = await world.fabric(settings.bindAddress);
  const place = placeOf(settings);
  const nats = await natsFacts(place);
  const known = { system, version: packageVersion(), ...inUse(settings), fabric, nats };
  if (isKvferryError(nats)) return runChecks({ ...known, cluster: undefined });
  const client = await connected(place);
  if (isKvferryError(client)) return runChecks({ ...known, cluster: undefined, refusal: client.message });
  try {
    const pause = (milliseconds: number) => wait(milliseconds, signal);
    const look = async (windowMs: number): Promise<Examination> => {
      try {
        const cluster = await examineCluster(client, { windowMs, pause, now: () => performance.now() });
        return { ...known, cluster };
      } catch (error) {
        if (!isKvferryError(error, 'publication_refused')) throw error;
        return { ...known, cluster: undefined, refusal: error.message };
      }
    };
    if (!flags.probe) return await runChecks(await look(WINDOW_MS));
    // The probe runs first, because agents choose a provider with their first bytes.
    const probed = await probe(await look(0), client, flags, signal, terminal);
    return [...(await runChecks(await look(WINDOW_MS))), ...probed];
  } finally {
    await client.close();
  }
}

function probe(
  examination: Examination,
  client: KvferryClient,
  { from, to }: DoctorFlags,
  signal: AbortSignal,
  terminal: Terminal,
): Promise<Finding[]> {
  const directory = examination.settings.arenaDirectory;
  const baselines: Baselines = {
    memcpy: (bytes, pageBytes) => measureMemcpy({ bytes, pageBytes, directory }),
    tcpStream: (bytes) => measureTcpStream({ bytes }),
  };
  const onStart = (pair: string) => terminal.err(`probing ${pair}`);
  return runProbes(examination, client, { from, to, baselines, signal, onStart });
}

/** An error when answers must not come to this program: so with the key of an agent. */
async function connected(place: NatsPlace): Promise<KvferryClient | KvferryError> {
  try {
    return await connectClient({ ...place, name: NAME });
  } catch (error) {
    if (isKvferryError(error, 'subscription_refused')) return error;
    throw error;
  }
}

async function natsFacts(place: NatsPlace): Promise<NatsFacts | KvferryError> {
  try {
    return await probeNats({ ...place, name: NAME });
  } catch (error) {
    if (isKvferryError(error)) return error;
    throw error;
  }
}

async function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(milliseconds, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

async function fabricFacts(bindAddress: string): Promise<FabricFacts> {
  const status = nativeStatus(bindAddress);
  const cuda = await cudaStatus();
  return { ...status, cuda, offers: status.libfabric === null ? [] : await libfabricOffers() };
}
