/** Subscriptions to heartbeats: one for each name that a part of this agent watches, for as long as it does. */
import type { ControlMessage, ControlSubscription } from '../../ports/control.js';
import { decode, toFailure } from '../../protocol/codec.js';
import { type Heartbeat, heartbeat } from '../../protocol/peer-messages.js';
import { subjects } from '../../protocol/subjects.js';
import type { EnvParts } from '../env/agent-env.js';

type Handler = (beat: Heartbeat) => void;

interface Name {
  readonly subscription: ControlSubscription;
  readonly handlers: Set<Handler>;
}

export class Heartbeats {
  readonly #env: EnvParts;
  readonly #names = new Map<string, Name>();

  constructor(env: EnvParts) {
    this.#env = env;
  }

  /** Passes the heartbeats of every process of that name to `handler`. */
  on(agent: string, handler: Handler): ControlSubscription {
    const name = this.#names.get(agent) ?? this.#subscribe(agent);
    // Each call has a handler of its own, so that it can be closed by itself.
    const own: Handler = (beat) => handler(beat);
    name.handlers.add(own);
    return {
      close: () => {
        if (!name.handlers.delete(own) || name.handlers.size > 0) return;
        this.#names.delete(agent);
        name.subscription.close();
      },
    };
  }

  #subscribe(agent: string): Name {
    const handlers = new Set<Handler>();
    const subscription = this.#env.control.subscribe(subjects.heartbeat(agent), (message) => {
      const beat = this.#read(agent, message);
      if (beat !== undefined) for (const handler of [...handlers]) handler(beat);
    });
    const name = { subscription, handlers };
    this.#names.set(agent, name);
    return name;
  }

  /** Undefined for a message that is not a heartbeat of that agent. */
  #read(agent: string, { subject, body }: ControlMessage): Heartbeat | undefined {
    try {
      const beat = decode(heartbeat, body);
      if (beat.agent === agent) return beat;
      throw new TypeError(`the heartbeat names agent ${beat.agent}`);
    } catch (error) {
      const { code, message } = toFailure(error);
      this.#env.counters.add('messages_refused');
      const nowMs = this.#env.clock.now();
      this.#env.refusals.log(nowMs, 'warn', { subject, code, reason: message }, 'heartbeat refused');
      return undefined;
    }
  }
}
