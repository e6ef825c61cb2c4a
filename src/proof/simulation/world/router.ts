/** A router as the protocol's page describes it: it receives ends, and asks for those it did not receive. It can crash. */
import { askEnd } from '../../../client/ask-end.js';
import { KvferryClient } from '../../../client/kvferry-client.js';
import type { MemoryControl } from '../memory-control.js';
import type { Accepted } from './accepted.js';
import type { Ledger } from './ledger.js';
import { CALL_MS } from './timing.js';
import type { World } from './world.js';

const NAME = 'router';
const ASK_MS = 700;
/** Time after the deadline of a request until the router asks for its end. */
const PATIENCE_MS = 800;

export class Router {
  readonly #world: World;
  readonly #ledger: Ledger;
  readonly #asking = new Set<string>();
  #control: MemoryControl | undefined;

  constructor(world: World, ledger: Ledger) {
    this.#world = world;
    this.#ledger = ledger;
    this.#start();
    this.#askAgain();
    for (const fault of world.scenario.faults) {
      if (fault.kind !== 'routerCrash') continue;
      world.at(fault.fromMs, () => this.#crash());
      world.at(fault.untilMs, () => this.#start());
    }
  }

  #start(): void {
    if (this.#control !== undefined) return;
    this.#control = this.#world.network.connect(NAME);
    const client = new KvferryClient(this.#control, { timeoutMs: CALL_MS });
    client.onTerminal((event) => this.#ledger.settle(event, event.end, 'its event'));
  }

  #crash(): void {
    this.#world.struck('routerCrash');
    this.#world.trace.add(() => 'router is killed');
    this.#control?.die();
    this.#control = undefined;
    this.#asking.clear();
  }

  #askAgain(): void {
    for (const accepted of this.#ledger.open()) {
      if (this.#world.now > accepted.deadlineMs + PATIENCE_MS) void this.#ask(accepted);
    }
    this.#world.clock.setTimeout(() => this.#askAgain(), ASK_MS);
  }

  async #ask(accepted: Accepted): Promise<void> {
    const control = this.#control;
    if (control === undefined || this.#asking.has(accepted.name)) return;
    this.#asking.add(accepted.name);
    const client = new KvferryClient(control, { timeoutMs: CALL_MS });
    const { request } = accepted;
    let lost = 0;
    for (const part of accepted.parts) {
      const call = () => askEnd(client, { request, ...part });
      const end = await this.#world.attempt(`asking for the end of ${request}`, call);
      if (end === 'lost') lost += 1;
      else if (end !== undefined && this.#control === control) {
        this.#ledger.settle({ request, epoch: part.epoch }, end, 'an answer');
      }
    }
    this.#asking.delete(accepted.name);
    const [first] = accepted.parts;
    if (lost === accepted.parts.length && first !== undefined && this.#control === control) {
      this.#ledger.settle({ request, epoch: first.epoch }, 'failed', 'its epoch');
    }
  }
}
