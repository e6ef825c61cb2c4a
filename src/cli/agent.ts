/** `kvferry agent`: the composition root of one agent process. */
import { randomBytes } from 'node:crypto';
import { Command } from 'commander';
import type { Logger } from 'pino';
import { Agent, type AgentPorts } from '../actors/agent/agent-actor.js';
import type { AgentOptions } from '../actors/env/agent-options.js';
import { type AgentConfig, toAgentOptions } from '../config/agent-config.js';
import { connectAgentNats } from '../control/nats-two-connections.js';
import { SystemClock } from '../control/system-clock.js';
import { openNativeFabric } from '../native/native-fabric.js';
import type { RunningInspector } from '../observe/inspector/server/inspector-server.js';
import { type RecordedAgent, recordAgent } from '../observe/recording/record-agent.js';
import { RecordingFile } from '../observe/recording/recording-file.js';
import type { Tracing, TracingOptions } from '../observe/tracing/open-tracing.js';
import { fromFailure } from '../protocol/codec.js';
import { warmUp } from '../protocol/warm-up.js';
import { SECRET_BYTES } from '../sealing/key-pair.js';
import { SealingFabric } from '../sealing/sealing-fabric.js';
import type { Failpoint, UnsealedPorts } from './agent-faults.js';
import { serveMetrics } from './agent-metrics.js';
import { addSettings, resolveSettings, type SettingFlags } from './agent-settings.js';
import { openLog } from './log-output.js';
import { placeOf } from './nats-option.js';
import { renderConfig } from './print-config.js';
import { refuseFaults } from './refuse-faults.js';
import { EXIT_FAILURE, type Terminal } from './terminal.js';
import { packageVersion } from './version.js';

const EPOCH_BYTES = 8;
const STDOUT = 1;
/** Longest time between the end of the agent and the end of its process. */
const EXIT_GRACE_MS = 1000;

interface AgentFlags extends SettingFlags {
  readonly printConfig?: true;
  readonly helpFailpoints?: true;
  readonly json?: true;
}

export function agentCommand(terminal: Terminal): Command {
  const command = new Command('agent')
    .description(
      'Run an agent beside an engine. A setting comes from its flag, the environment, the --config file or its default.',
    )
    .option('--print-config', 'print every setting and its source, then exit')
    .option('--json', 'with --print-config: as JSON');
  addSettings(command);
  command.option('--help-failpoints', 'list the failpoints, which are for tests, and exit');
  return command.action(async (flags: AgentFlags) => {
    if (flags.helpFailpoints) {
      terminal.out((await import('./agent-faults.js')).failpointHelp);
      return;
    }
    const config = resolveSettings(flags, terminal.env);
    const failpoints = await armedFailpoints(terminal.env['KVFERRY_FAILPOINTS']);
    if (flags.printConfig) terminal.out(renderConfig(config.entries, { json: flags.json === true }));
    else await runAgent(config.values, failpoints);
  });
}

/** Throws `invalid_configuration`. */
async function armedFailpoints(spec = ''): Promise<readonly Failpoint[]> {
  if (spec === '') return [];
  const { parseFailpoints } = await import('./agent-faults.js');
  return parseFailpoints(spec);
}

/** Resolves when the agent has stopped. Rejects when it cannot start. */
async function runAgent(config: AgentConfig, failpoints: readonly Failpoint[]): Promise<void> {
  const logger = openLog(config.logLevel, STDOUT);
  endOnFatalErrors(logger);
  const version = packageVersion();
  await using metrics = await serveMetrics(config, version, logger);
  const epoch = randomBytes(EPOCH_BYTES).toString('hex');
  const file = config.record === '' ? undefined : await openRecording(config, epoch, logger);
  const fabric = await openNativeFabric({
    providers: config.provider,
    bindAddress: config.bindAddress,
    tcpPorts: config.tcpPort,
    tcpStreams: config.tcpStreams === 'auto' ? undefined : config.tcpStreams,
    tcpEncryption: config.tcpEncryption,
    socketDirectory: config.socketDirectory,
    socketUsers: config.socketUsers,
    segmentDirectories: config.role === 'decode' ? [] : config.segmentDirectory,
    segmentOwners: config.segmentOwner.length === 0 ? undefined : config.segmentOwner,
    windowBytes: config.windowBytes,
    sliceBytes: config.sliceBytes,
    numaNode: config.numaNode,
  });
  const { agentId, natsConnectTimeoutMs: connectTimeoutMs } = config;
  const nats = { ...placeOf(config), name: `kvferry agent ${agentId}`, inbox: agentId };
  const connecting = connectAgentNats({ ...nats, connectTimeoutMs, logger });
  warmUp();
  const control = await connecting.catch(async (error: unknown) => {
    await fabric.close();
    throw error;
  });
  const clock = new SystemClock();
  const tracing = await openTracing(config, { epoch, version, clock, logger });
  const real: UnsealedPorts = {
    control,
    fabric,
    clock,
    logger,
    version,
    newEpoch: () => epoch,
    tracer: tracing?.tracer,
  };
  const options = toAgentOptions(config);
  const { ports: unsealed, faults } = await openFaults(real, config, failpoints, options);
  const ports: AgentPorts = {
    ...unsealed,
    fabric: new SealingFabric(unsealed.fabric, () => randomBytes(SECRET_BYTES)),
  };
  const recorded = file === undefined ? unrecorded(ports) : recordedTo(file, options, ports);
  const agent = new Agent(options, recorded.ports);
  metrics.watch(agent);
  onEndRequested((reason) => {
    logger.info({ reason }, 'agent received the order to stop');
    recorded.orderStop(() => void agent.stop());
  });
  await agent.start();
  const inspector = await serveInspector(config, logger);
  const { fenced } = await agent.ended;
  await tracing?.close();
  faults?.heal();
  // A part that did not close must not keep the process alive.
  setTimeout(() => process.exit(EXIT_FAILURE), EXIT_GRACE_MS).unref();
  await inspector?.close();
  await file?.end();
  if (fenced !== null) throw fromFailure(fenced);
}

/** Serves the inspector page. The agent goes on without it when it cannot be served. */
async function serveInspector(config: AgentConfig, logger: Logger): Promise<RunningInspector | undefined> {
  const { inspectAddress: listen } = config;
  if (listen === undefined) return undefined;
  const { startInspectorThread } = await import('./inspect/inspector-thread.js');
  try {
    const failed = (err: unknown) => logger.error({ err }, 'inspector failed; the agent goes on without it');
    // It is a user of the agent's rights at NATS.
    const nats = { ...placeOf(config), inbox: config.agentId };
    const inspector = await startInspectorThread({ nats, listen, allowFaults: false }, failed);
    logger.info({ url: inspector.url, bound: inspector.bound }, 'inspector listening');
    return inspector;
  } catch (err) {
    logger.error({ err }, 'inspector not started; the agent goes on without it');
    return undefined;
  }
}

async function openRecording(config: AgentConfig, epoch: string, logger: Logger): Promise<RecordingFile> {
  const path = config.record.replaceAll('{epoch}', epoch);
  const file = await RecordingFile.create(path, {
    bytesMax: config.recordBytesMax,
    onEndedEarly: (reason) => {
      if (reason instanceof Error)
        logger.error({ path, err: reason }, 'recording failed; the agent goes on without it');
      else logger.warn({ path, reason }, 'recording ended early; the agent goes on without it');
    },
  });
  // After a fatal error too: the recording shows what led to it.
  process.on('exit', () => file.endNow());
  logger.info({ path }, 'recording started');
  return file;
}

/** Loads the code of failpoints and faults only for an agent that is started with them. */
async function openFaults(
  real: UnsealedPorts,
  { allowFaults }: AgentConfig,
  failpoints: readonly Failpoint[],
  options: AgentOptions,
): Promise<{ readonly ports: UnsealedPorts; readonly faults?: { heal(): void } }> {
  const isTested = failpoints.length > 0;
  if (!allowFaults) refuseFaults(real, options.agent);
  if (!isTested && !allowFaults) return { ports: real };
  const { withFailpoints, withFaults } = await import('./agent-faults.js');
  const tested = isTested ? withFailpoints(real, failpoints) : real;
  if (!allowFaults) return { ports: tested };
  return withFaults(tested, options, real.control, real.newEpoch());
}

/** Loads OpenTelemetry only for an agent that exports traces. */
async function openTracing(
  { traceEndpoint: endpoint, traceRatio: ratio, agentId: agent, role }: AgentConfig,
  process: Pick<TracingOptions, 'epoch' | 'version' | 'clock' | 'logger'>,
): Promise<Tracing | undefined> {
  if (endpoint === '') return undefined;
  const tracing = await import('../observe/tracing/open-tracing.js');
  return tracing.openTracing({ endpoint, ratio, agent, role, ...process });
}

function unrecorded(ports: AgentPorts): RecordedAgent {
  return { ports, orderStop: (stop) => stop() };
}

function recordedTo(file: RecordingFile, options: AgentOptions, ports: AgentPorts): RecordedAgent {
  return recordAgent({
    options,
    ports,
    nextTurn: (run) => void setImmediate(run),
    write: (line) => file.write(line),
    recordedAt: new Date().toISOString(),
  });
}

/** The first signal runs `stop`. The second one ends the process at once. */
function onEndRequested(stop: (reason: string) => void): void {
  let ordered = false;
  const end = (reason: string) => {
    if (ordered) process.exit(EXIT_FAILURE);
    ordered = true;
    stop(reason);
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  // A parent that keeps a channel to this process, as the demo does, ends it by ending itself.
  process.channel?.unref();
  process.once('disconnect', () => end('the parent process ended'));
}

function endOnFatalErrors(logger: Logger): void {
  const end = (err: unknown, reason: string) => {
    logger.fatal({ err, reason }, 'fatal error; the agent exits');
    process.exit(EXIT_FAILURE);
  };
  process.on('uncaughtException', end);
  process.on('unhandledRejection', (error) => end(error, 'unhandledRejection'));
}
