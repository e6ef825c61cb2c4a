/**
 * A router as the protocol's page describes it: it names receivers, receives ends, and asks for those it did not receive. It can
 * crash.
 */
import { askEnd } from '../../../client/ask-end.js';
import { KvferryClient } from '../../../client/kvferry-client.js';
import type { End } from '../../../protocol/subjects.js';
import type { MemoryControl } from '../memory-control.js';
import type { Accepted, Part } from './accepted.js';
import type { Ledger } from './ledger.js';
import { isOffered, receiversOf } from './offers.js';
import type { RequestPlan, RouteCall } from './scenario.js';
import { CALL_MS } from './timing.js';
import type { World } from './world.js';

const NAME = 'router';
const ASK_MS = 700;
const ROUTE_ATTEMPTS = 5;
const ROUTE_AGAIN_MS = 150;
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
    for (const plan of world.scenario.requests) {
      for (const call of plan.routes ?? []) world.at(plan.atMs + call.afterMs, () => void this.#route(plan, call));
    }
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

  /** Repeats a call that has no answer: perhaps the request arrives later. */
  async #route({ request, sender }: RequestPlan, { receiver, skip }: RouteCall): Promise<void> {
    for (let attempt = 0; attempt < ROUTE_ATTEMPTS; attempt += 1) {
      const control = this.#control;
      if (control === undefined) return;
      this.#ledger.offers.naming(request, receiver, skip);
      const client = new KvferryClient(control, { timeoutMs: CALL_MS });
      const call = () => client.route(sender, { request, receiver, skip });
      const answer = await this.#world.attempt(`route ${request} to ${receiver}`, call);
      if (answer !== undefined) {
        this.#ledger.routed({ request, epoch: answer.epoch });
        return;
      }
      await this.#world.sleep(ROUTE_AGAIN_MS);
    }
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
      const end = await this.#askAll(client, request, part);
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

  /** Asks at every receiver that it has named. The request is lost when none of them knows it. */
  async #askAll(client: KvferryClient, request: string, part: Part): Promise<End | 'lost' | undefined> {
    const plan = this.#world.scenario.requests.find((one) => one.request === request && isOffered(one));
    const receivers = receiversOf(plan ?? part);
    const answers: (End | 'lost' | undefined)[] = [];
    for (const receiver of receivers.length === 0 ? [undefined] : receivers) {
      const call = () => askEnd(client, { request, ...part, receiver });
      answers.push(await this.#world.attempt(`asking for the end of ${request}`, call));
    }
    const end = answers.find((answer) => answer !== undefined && answer !== 'lost');
    return end ?? (answers.every((answer) => answer === 'lost') ? 'lost' : undefined);
  }
}
