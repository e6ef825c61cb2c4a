/** `kvferry agent`: the composition root of one agent process. */
import { randomBytes } from 'node:crypto';
import { Command } from 'commander';
import { type Logger, pino } from 'pino';
import { Agent, type AgentPorts } from '../actors/agent/agent-actor.js';
import type { AgentOptions } from '../actors/env/agent-options.js';
import { type AgentConfig, toAgentOptions } from '../config/agent-config.js';
import { connectNats } from '../control/nats-control.js';
import { SystemClock } from '../control/system-clock.js';
import { openNativeFabric } from '../native/native-fabric.js';
import type { RunningInspector } from '../observe/inspector/server/inspector-server.js';
import { type RecordedAgent, recordAgent } from '../observe/recording/record-agent.js';
import { RecordingFile } from '../observe/recording/recording-file.js';
import type { Tracing, TracingOptions } from '../observe/tracing/open-tracing.js';
import { FailingControl } from '../proof/failpoints/failing-control.js';
import { FailingFabric } from '../proof/failpoints/failing-fabric.js';
import { failpointNames } from '../proof/failpoints/failpoint-names.js';
import { FAILPOINTS_VARIABLE, type Failpoint, parseFailpoints } from '../proof/failpoints/failpoint-spec.js';
import { Failpoints } from '../proof/failpoints/failpoints.js';
import { Faults } from '../proof/faults/faults.js';
import { processHost } from '../proof/faults/process-host.js';
import { serveFaults } from '../proof/faults/serve-faults.js';
import { SeverableControl } from '../proof/faults/severable-control.js';
import { fromFailure } from '../protocol/codec.js';
import { serveMetrics } from './agent-metrics.js';
import { addSettings, resolveSettings, type SettingFlags } from './agent-settings.js';
import { renderConfig } from './print-config.js';
import { EXIT_FAILURE, type Terminal } from './terminal.js';
import { packageVersion } from './version.js';

const EPOCH_BYTES = 8;
const SALT_BYTES = 16;
/** From the end of the agent to that of its process. */
const EXIT_GRACE_MS = 1000;

const failpointHelp = `
For tests only: ${FAILPOINTS_VARIABLE}=name=action[@n],… kills (kill), stops (stop), fails (fail) or delays (delay:ms) the
agent when it reaches the step for the n-th time (default: the first). Steps: ${failpointNames.join(' ')}.`;

interface AgentFlags extends SettingFlags {
  readonly printConfig?: true;
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
  command.addHelpText('after', failpointHelp);
  return command.action(async (flags: AgentFlags) => {
    const config = resolveSettings(flags, terminal.env);
    const failpoints = parseFailpoints(terminal.env[FAILPOINTS_VARIABLE] ?? '');
    if (flags.printConfig) terminal.out(renderConfig(config.entries, { json: flags.json === true }));
    else await runAgent(config.values, failpoints);
  });
}

/** Resolves when the agent has stopped. Rejects when it cannot start. */
async function runAgent(config: AgentConfig, failpoints: readonly Failpoint[]): Promise<void> {
  const logger = pino({ level: config.logLevel, base: { pid: process.pid } });
  endOnFatalErrors(logger);
  const version = packageVersion();
  await using metrics = await serveMetrics(config, version, logger);
  const epoch = randomBytes(EPOCH_BYTES).toString('hex');
  const file = config.record === '' ? undefined : await openRecording(config, epoch, logger);
  const fabric = await openNativeFabric({
    providers: config.provider,
    bindAddress: config.bindAddress,
    socketDir: config.socketDirectory,
    windowBytes: config.windowBytes,
    sliceBytes: config.sliceBytes,
  });
  const { natsUrl: servers, agentId, natsConnectTimeoutMs: connectTimeoutMs } = config;
  const connecting = connectNats({ servers, name: `kvferry agent ${agentId}`, connectTimeoutMs, logger });
  const control = await connecting.catch(async (error: unknown) => {
    await fabric.close();
    throw error;
  });
  const clock = new SystemClock();
  const tracing = await openTracing(config, { epoch, version, clock, logger });
  const real: AgentPorts = {
    ...{ control, fabric, clock, logger, version },
    newEpoch: () => epoch,
    tracer: tracing?.tracer,
  };
  const options = toAgentOptions(config);
  const tested = failpoints.length === 0 ? real : withFailpoints(real, failpoints);
  const { ports, faults } = config.allowFaults ? withFaults(tested, options) : { ports: tested, faults: undefined };
  serveFaults({ control, clock: real.clock, logger, agent: agentId, epoch, faults });
  const recorded = file === undefined ? unrecorded(ports) : recordedTo(file, options, ports);
  const agent = new Agent(options, recorded.ports);
  metrics.watch(agent, control);
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
  const { inspectAddress: listen, natsUrl: servers } = config;
  if (listen === undefined) return undefined;
  const { startInspectorThread } = await import('./inspect/inspector-thread.js');
  try {
    const failed = (err: unknown) => logger.error({ err }, 'inspector failed; the agent goes on without it');
    const inspector = await startInspectorThread({ servers, listen, allowFaults: false }, failed);
    logger.info({ url: inspector.url }, 'inspector listening');
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

/** Loads OpenTelemetry only when traces are wanted. */
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
    salt: randomBytes(SALT_BYTES).toString('hex'),
    recordedAt: new Date().toISOString(),
  });
}

/** For tests only: ports that kill, stop, fail or delay the agent at the named steps. */
function withFailpoints(ports: AgentPorts, armed: readonly Failpoint[]): AgentPorts {
  ports.logger.warn({ failpoints: armed }, 'failpoints are armed; use this agent for tests only');
  const failpoints = new Failpoints(armed, { clock: ports.clock, signal });
  return {
    ...ports,
    control: new FailingControl(ports.control, failpoints),
    fabric: new FailingFabric(ports.fabric, failpoints),
  };
}

/** For demonstrations: ports on which a fault can be provoked. A recording contains the effects of the fault. */
function withFaults(ports: AgentPorts, options: AgentOptions): { readonly ports: AgentPorts; readonly faults: Faults } {
  const { clock, control, fabric, logger } = ports;
  const { agent, role, heartbeatMs } = options;
  logger.warn('faults are allowed: every NATS client can kill, stop and cut off this agent');
  const line = new SeverableControl(control, logger);
  const failpoints = new Failpoints([], { clock, signal });
  const host = { clock, logger, ...processHost(logger) };
  const faults = new Faults({ agent, role, heartbeatMs, line, failpoints, host });
  return { ports: { ...ports, control: line, fabric: new FailingFabric(fabric, failpoints) }, faults };
}

function signal(name: 'SIGKILL' | 'SIGSTOP'): void {
  process.kill(process.pid, name);
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

function endOnFatalErrors(logger: pino.Logger): void {
  const end = (err: unknown, reason: string) => {
    logger.fatal({ err, reason }, 'fatal error; the agent exits');
    process.exit(EXIT_FAILURE);
  };
  process.on('uncaughtException', end);
  process.on('unhandledRejection', (error) => end(error, 'unhandledRejection'));
}
