/**
 * The control port of an agent: two connections. Every program may send to the name of an agent (`put`, `status`, `discover`).
 * What it sends there comes by a connection of its own. So a flood of it does not delay the heartbeats of this agent, nor
 * its answers to other agents, which decide who lives (P28).
 *
 * Both connections have the same server, so that one that stands still is left by both. Only the connection between agents is
 * judged by heartbeats: it leads, and the other one follows.
 */
import type { ControlMessage, ControlPort, ControlStatus, ControlSubscription } from '../ports/control.js';
import { ForwardingControl } from '../ports/forwarding-control.js';
import { isForEverybody } from '../protocol/subjects.js';
import { connectNats, type NatsControl } from './nats-control.js';
import type { NatsControlOptions } from './nats-options.js';

/** Answers of the server stand behind the messages of a flood. Then the connection is given up, and the flood with it. */
const PING_INTERVAL_MS = 1_000;

/** Rejects as `connectNats` does. */
export async function connectAgentNats(given: NatsControlOptions): Promise<ControlPort> {
  const options = { ...given, isAgent: true };
  const between = await connectNats(options);
  try {
    const name = `${options.name}, its name`;
    const open = await connectNats({ ...options, name, pingIntervalMs: PING_INTERVAL_MS, beside: between });
    return new TwoConnections(between, open);
  } catch (error) {
    await between.close();
    throw error;
  }
}

class TwoConnections extends ForwardingControl {
  readonly #between: NatsControl;
  readonly #open: NatsControl;
  readonly #listeners: ((status: ControlStatus) => void)[] = [];
  #isBetweenUp = true;
  #isOpenUp = true;
  #reported: ControlStatus = 'connected';

  constructor(between: NatsControl, open: NatsControl) {
    super(between);
    this.#between = between;
    this.#open = open;
    between.onStatus((status) => {
      this.#isBetweenUp = status === 'connected';
      // Its server is gone or stands still, and so it is for the other connection.
      if (!this.#isBetweenUp) this.#open.reconnect();
      this.#report();
    });
    open.onStatus((status) => {
      this.#isOpenUp = status === 'connected';
      this.#report();
    });
  }

  override get messageBytesMax(): number {
    return Math.min(this.#between.messageBytesMax, this.#open.messageBytesMax);
  }

  override subscribe(subject: string, handler: (message: ControlMessage) => void): ControlSubscription {
    return (isForEverybody(subject) ? this.#open : this.#between).subscribe(subject, handler);
  }

  override onStatus(listener: (status: ControlStatus) => void): void {
    this.#listeners.push(listener);
  }

  override reconnect(): void {
    this.#between.reconnect();
    this.#open.reconnect();
  }

  override async flush(): Promise<void> {
    await Promise.all([this.#between.flush(), this.#open.flush()]);
  }

  override async close(): Promise<void> {
    await Promise.all([this.#open.close(), this.#between.close()]);
  }

  /**
   * After an outage both connections must be back. A flood may take the open one away again and again: the agent is not cut
   * off by that.
   */
  #report(): void {
    const isUp = this.#isBetweenUp && (this.#isOpenUp || (this.#reported === 'connected' && !this.#open.isRefused));
    const status = isUp ? 'connected' : 'disconnected';
    if (status === this.#reported) return;
    this.#reported = status;
    for (const listener of this.#listeners) listener(status);
  }
}
