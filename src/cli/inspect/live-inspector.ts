/** An inspector of a live cluster, with its own connection to NATS. */
import type { Logger } from 'pino';
import type { ListenAddress } from '../../config/listen-address.js';
import { redactCredentials } from '../../config/nats-fields.js';
import { connectNats } from '../../control/nats-control.js';
import { SystemClock } from '../../control/system-clock.js';
import { LiveSource } from '../../observe/inspector/live/live-source.js';
import { type RunningInspector, startInspector } from '../../observe/inspector/server/inspector-server.js';
import type { NatsPlace } from '../nats-option.js';

export interface LiveInspectorOptions {
  readonly nats: NatsPlace;
  readonly listen: ListenAddress;
  /** Let the page provoke faults in agents that allow them. */
  readonly allowFaults: boolean;
  /** The relay of Stately's inspector to connect to. */
  readonly statelyRelay?: string | undefined;
  readonly logger?: Logger | undefined;
}

/** Rejects `disconnected` without NATS, and `invalid_configuration` when it cannot listen. */
export async function startLiveInspector(options: LiveInspectorOptions): Promise<RunningInspector> {
  const { nats, listen, allowFaults, statelyRelay, logger } = options;
  const control = await connectNats({ ...nats, name: 'kvferry inspect', ...(logger === undefined ? {} : { logger }) });
  const source = new LiveSource({
    control,
    clock: new SystemClock(),
    originMs: performance.timeOrigin,
    name: redactCredentials(nats.servers),
    allowFaults,
  });
  return startInspector({ source, ...listen, statelyRelay, logger }).catch(async (error: unknown) => {
    await source.close();
    throw error;
  });
}
