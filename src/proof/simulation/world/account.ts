/**
 * The account of each accepted request: what struck it, and which end it must have therefore.
 *
 * - It may end in any way if its agent or its engine died, or if it was cancelled, unfinished or too large.
 * - It may be `failed` with the code of a write if a fault has failed one of its writes (`grants.ts`), and with the code of a lost
 *   agent if its agents had reason to declare each other dead (`silences.ts`).
 * - Any other fault may only delay it. So may other requests: those whose pages it waits for, and those whose writes it joined.
 *   From the last delay on, the request has a fair time. If its deadline is earlier, it may be `expired`.
 * - Every other request must be `ready`, in its fair time.
 */

import type { Accepted, Part } from './accepted.js';
import type { Announcement } from './announcements.js';
import { receiversOf } from './offers.js';
import type { RequestPlan } from './scenario.js';
import type { Strike } from './strikes.js';
import { LEASE_MS, OWN_MS, REPAIR_MS, SKEW_MAX, SWEEP_MS } from './timing.js';
import type { Violation, World } from './world.js';

/** The number of requests by the ends that their accounts allow. */
export interface Demands {
  /** `ready`, and nothing else. */
  readonly ready: number;
  /** `ready` or `expired`. */
  readonly readyOrExpired: number;
  readonly any: number;
}

interface Item {
  readonly accepted: Accepted;
  readonly announcement: Announcement | undefined;
}

/** Engines need this long for `acquire` and `release`. */
const USED_MS = 100;
/** Faults that keep an agent from publishing. */
const CUTTING = new Set(['cutOff', 'natsRestart']);
/** Why a request fails whose write has failed. */
const WRITE_CODES: readonly string[] = ['connection_lost', 'fabric_error', 'write_rejected'];
/**
 * Why a request fails whose agents have declared each other dead. `writer_failed`: its sender has given it up and refuses a
 * hand-over, and its receiver, which was silent, goes on. `connection_failed`: the receiver has revoked the remote key with which
 * the sender was connecting.
 */
const LOST_CODES: readonly string[] = ['receiver_lost', 'sender_lost', 'writer_failed', 'connection_failed'];

export class Account {
  readonly #world: World;
  readonly #plans = new Map<string, RequestPlan[]>();
  readonly demands = { ready: 0, readyOrExpired: 0, any: 0 };

  constructor(world: World) {
    this.#world = world;
    for (const plan of world.scenario.requests) {
      this.#plans.set(plan.request, [...(this.#plans.get(plan.request) ?? []), plan]);
    }
  }

  /** The first request whose end is wrong. */
  judge(items: readonly Item[]): Violation | undefined {
    const byRequest = new Map(items.map((item) => [item.accepted.request, item]));
    for (const item of items) {
      const detail = this.#wrong(item, byRequest);
      if (detail !== undefined) return { rule: 'nothing struck it', detail };
      const late = this.#lateSource(item);
      if (late !== undefined) return { rule: 'source memory', detail: late };
    }
    return undefined;
  }

  /** A batch whose source memory came back later than its chunks and its faults explain. */
  #lateSource(item: Item): string | undefined {
    const { accepted, announcement } = item;
    const { request, parts, name } = accepted;
    const touches = this.#touches(item);
    // An agent that is cut off cannot announce what it gives back.
    if (touches.some(({ mayEnd, fault }) => mayEnd || CUTTING.has(fault))) return undefined;
    const endMs = announcement?.atMs ?? Number.POSITIVE_INFINITY;
    const repairMs = touches.length > 0 ? REPAIR_MS : 0;
    for (const part of parts) {
      for (const { batch, readyMs, releasedMs } of this.#world.sources.times(holderOf(request, part))) {
        const dueMs = Math.max(readyMs, ...touches.map(({ untilMs }) => untilMs)) + OWN_MS + repairMs;
        if (Math.min(releasedMs, endMs) <= dueMs) continue;
        return `batch ${batch} of ${name} was ready at ${readyMs.toFixed(0)}, its source came back at ${releasedMs.toFixed(0)}`;
      }
    }
    return undefined;
  }

  #wrong(item: Item, all: ReadonlyMap<string, Item>): string | undefined {
    const { accepted, announcement } = item;
    const touches = this.#touches(item);
    if (this.#mayEnd(item, touches)) {
      this.demands.any += 1;
      return undefined;
    }
    const { name, deadlineMs, earliestMs } = accepted;
    const fairMs = this.#fairMs(item, touches, all);
    const stepped = touches.some(({ fault }) => fault === 'clockStep');
    const mayExpire = stepped || fairMs > earliestMs;
    this.demands[mayExpire ? 'readyOrExpired' : 'ready'] += 1;
    const { end, code = '', atMs = 0 } = announcement ?? {};
    const failures = this.#failures(item);
    if (end === 'failed' && failures.includes(code)) return undefined;
    // An agent that is cut off cannot publish the end.
    const isUnpublished = end === undefined && touches.some(({ fault }) => CUTTING.has(fault));
    if (isUnpublished && (mayExpire || failures.length > 0)) return undefined;
    if (end === 'ready' && atMs <= fairMs) return undefined;
    if (end === 'expired' && mayExpire) return undefined;
    const why = touches.map(({ fault }) => fault);
    const met = `touched by [${[...new Set(why)]}], due at ${fairMs.toFixed(0)}, deadline ${deadlineMs.toFixed(0)}`;
    return `${name} ended ${end ?? 'unannounced'} ${code} at ${atMs.toFixed(0)}: ${met}`;
  }

  /** Faults that touched the request between its acceptance and its end. */
  #touches({ accepted, announcement }: Item): Strike[] {
    const { request, acceptedMs } = accepted;
    const untilMs = announcement?.atMs ?? Number.POSITIVE_INFINITY;
    return this.#world.strikes.on({ request, agents: this.#agents(request), fromMs: acceptedMs, untilMs });
  }

  /** Whether every end is right. */
  #mayEnd({ accepted: { request, completeMs } }: Item, touches: readonly Strike[]): boolean {
    const isWhole = completeMs !== Number.POSITIVE_INFINITY && this.#fits(request);
    return !isWhole || touches.some(({ mayEnd }) => mayEnd);
  }

  /** The codes with which the request may be `failed`. */
  #failures({ accepted, announcement }: Item): readonly string[] {
    const { request, parts, acceptedMs } = accepted;
    const { grants, silences } = this.#world;
    const isStruck = parts.some((part) => grants.struck(holderOf(request, part)));
    const agents = this.#agents(request);
    const untilMs = announcement?.atMs ?? Number.POSITIVE_INFINITY;
    const wereParted = agents.some((one) =>
      agents.some((other) => one < other && silences.parted(one, other, acceptedMs, untilMs)),
    );
    return [...(isStruck ? WRITE_CODES : []), ...(wereParted ? LOST_CODES : [])];
  }

  #agents(request: string): string[] {
    return [...new Set(this.#plansOf(request).flatMap((plan) => [plan.sender, ...receiversOf(plan)]))];
  }

  #plansOf(request: string): readonly RequestPlan[] {
    return this.#plans.get(request) ?? [];
  }

  /** True if all ranks together fit into each arena. */
  #fits(request: string): boolean {
    const chunks = new Map<string, number>();
    for (const plan of this.#plansOf(request)) {
      const count = plan.batches.flat().length;
      for (const receiver of receiversOf(plan)) chunks.set(receiver, (chunks.get(receiver) ?? 0) + count);
    }
    return [...chunks].every(([receiver, count]) => count <= this.#world.slot(receiver).plan.pages);
  }

  /** Until when the request must be ready, if its deadline is not earlier. */
  #fairMs({ accepted }: Item, touches: readonly Strike[], all: ReadonlyMap<string, Item>): number {
    const { request, parts, completeMs } = accepted;
    const { waits } = this.#world;
    const holders = parts.map((part) => holderOf(request, part));
    const delays = [...touches.map(({ untilMs }) => untilMs), ...holders.map((one) => waits.forWriteUntilMs(one))];
    const startMs = Math.max(completeMs, ...delays);
    const repairMs = touches.length > 0 ? REPAIR_MS : 0;
    const pressureMs = holders.some((holder) => waits.forPages(holder)) ? this.#pressureMs(request, all) : 0;
    return startMs + OWN_MS + repairMs + pressureMs;
  }

  /** The time for which all other requests that compete for the same pages may hold them, one after the other. */
  #pressureMs(request: string, all: ReadonlyMap<string, Item>): number {
    const arenas = this.#competition(request);
    let total = 0;
    for (const plan of this.#world.scenario.requests) {
      if (plan.request !== request && receiversOf(plan).some((one) => arenas.has(one)))
        total += this.#holdMs(plan, all.get(plan.request));
    }
    return total / (1 - SKEW_MAX);
  }

  /** The arenas of the request, and of every request over several ranks that has one of these arenas. */
  #competition(request: string): Set<string> {
    const arenas = new Set(this.#plansOf(request).flatMap(receiversOf));
    for (let before = 0; before !== arenas.size; ) {
      before = arenas.size;
      for (const plans of this.#plans.values()) {
        const receivers = plans.flatMap(receiversOf);
        if (receivers.some((one) => arenas.has(one))) for (const receiver of receivers) arenas.add(receiver);
      }
    }
    return arenas;
  }

  /** How long a request may hold its pages: until its end, and until its leases end. */
  #holdMs({ use, holdMs, timeoutMs }: RequestPlan, item: Item | undefined): number {
    const isUntouched = item !== undefined && this.#touches(item).length === 0 && !this.#mayEnd(item, []);
    const isSound = isUntouched && this.#failures(item).length === 0;
    if (!isSound) return timeoutMs + REPAIR_MS + LEASE_MS + SWEEP_MS;
    const isCalm = this.#world.scenario.faults.length === 0;
    if (use === 'never' || !isCalm) return OWN_MS + LEASE_MS + SWEEP_MS;
    return OWN_MS + USED_MS + (use === 'reads' ? holdMs : 0);
  }
}

/** Name of a request in the store of its receiver. */
function holderOf(request: string, { epoch }: Part): string {
  return `${epoch}/${request}`;
}
