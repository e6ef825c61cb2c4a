/** An inspector of a live cluster, with its own connection to NATS. */
import type { Logger } from 'pino';
import { redactCredentials } from '../../config/agent-config.js';
import type { ListenAddress } from '../../config/listen-address.js';
import { connectNats } from '../../control/nats-control.js';
import { SystemClock } from '../../control/system-clock.js';
import { LiveSource } from '../../observe/inspector/live/live-source.js';
import { type RunningInspector, startInspector } from '../../observe/inspector/server/inspector-server.js';

export interface LiveInspectorOptions {
  readonly servers: string;
  readonly listen: ListenAddress;
  /** Let the page provoke faults in agents that allow them. */
  readonly allowFaults: boolean;
  /** The relay of Stately's inspector to connect to. */
  readonly statelyRelay?: string | undefined;
  readonly logger?: Logger | undefined;
}

/** Rejects `disconnected` without NATS, and `invalid_configuration` when it cannot listen. */
export async function startLiveInspector(options: LiveInspectorOptions): Promise<RunningInspector> {
  const { servers, listen, allowFaults, statelyRelay, logger } = options;
  const control = await connectNats({ servers, name: 'kvferry inspect', ...(logger === undefined ? {} : { logger }) });
  const source = new LiveSource({
    control,
    clock: new SystemClock(),
    originMs: performance.timeOrigin,
    name: redactCredentials(servers),
    allowFaults,
  });
  return startInspector({ source, ...listen, statelyRelay, logger }).catch(async (error: unknown) => {
    await source.close();
    throw error;
  });
}
