/** Watches a replayed agent for violations: rules that no input may break. */
import type { Agent, AgentEnd } from '../../actors/agent/agent-actor.js';
import type { StatusReply } from '../../protocol/operations.js';
import { operationOf, subjects } from '../../protocol/subjects.js';
import type { Output } from '../recording/record.js';

/** A broken rule and its step. */
export interface Violation {
  readonly step: number;
  readonly rule: 'store' | 'crashed' | 'fenced' | 'one end' | 'threw';
  readonly detail: string;
}

/** A larger arena is not checked after every step, because a check takes time in proportion to its pages. */
const CHECKED_PAGES_EACH_STEP = 4096;

type Watched = Pick<Agent, 'ended' | 'inspectStore'>;

export class Watch {
  readonly #agent: Watched;
  readonly #checkEvery: number;
  /** Ends announced so far, by request and epoch. */
  readonly #ends = new Map<string, string>();
  #crashes = 0;
  #broken: string | undefined;
  #end: AgentEnd | undefined;

  /** `pages`: size of the arena. */
  constructor(agent: Watched, pages: number) {
    this.#agent = agent;
    this.#checkEvery = Math.ceil(pages / CHECKED_PAGES_EACH_STEP);
    void agent.ended.then((end) => {
      this.#end = end;
    });
  }

  /** The rules that this step broke. */
  look(
    step: number,
    outputs: readonly Output[],
    status: StatusReply | undefined,
    thrown: readonly unknown[],
  ): Violation[] {
    const found: Violation[] = thrown.map((error) => ({ step, rule: 'threw', detail: String(error) }));
    for (const detail of this.#secondEnds(outputs)) found.push({ step, rule: 'one end', detail });
    const crashes = status?.counters['actors_crashed'] ?? this.#crashes;
    if (crashes > this.#crashes) {
      found.push({ step, rule: 'crashed', detail: `${crashes - this.#crashes} actors failed` });
      this.#crashes = crashes;
    }
    if (step % this.#checkEvery === 0) {
      const broken = this.#agent.inspectStore()?.broken;
      if (broken !== undefined && broken !== this.#broken) found.push({ step, rule: 'store', detail: broken });
      this.#broken = broken;
    }
    if (this.#end?.fenced != null) {
      const { code, message } = this.#end.fenced;
      found.push({ step, rule: 'fenced', detail: `${code}: ${message}` });
      this.#end = { fenced: null };
    }
    return found;
  }

  #secondEnds(outputs: readonly Output[]): string[] {
    const seconds: string[] = [];
    for (const output of outputs) {
      const announced = output.out === 'publish' ? announcedBy(output) : undefined;
      if (announced === undefined) continue;
      const { name, end } = announced;
      const first = this.#ends.get(name);
      if (first === undefined) this.#ends.set(name, end);
      else seconds.push(`${name} was announced ${first}, then ${end}`);
    }
    return seconds;
  }
}

const terminalPrefix = subjects.terminals.slice(0, -1);

function announcedBy({
  subject,
  body,
}: Extract<Output, { out: 'publish' }>): { name: string; end: string } | undefined {
  if (!subject.startsWith(terminalPrefix)) return undefined;
  const { request, epoch } = JSON.parse(body) as { request: string; epoch: string };
  return { name: `request ${epoch}/${request}`, end: operationOf(subject) };
}
