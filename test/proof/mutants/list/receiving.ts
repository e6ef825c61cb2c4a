import type { Mutant } from '../mutant.js';

export const receivingMutants: readonly Mutant[] = [
  {
    id: 'receiving-any-message-is-own',
    module: 'src/actors/receiving/store-effects.ts',
    find: 'return nameOf(holder) === this.#sender;',
    replace: 'return this.#sender !== undefined;',
    defect: "Another request's message completes a request, which is then announced without asking its sender.",
  },
  {
    id: 'receiving-message-stays-own',
    module: 'src/actors/receiving/store-effects.ts',
    find: '      this.#sender = undefined;',
    replace: '',
    defect: 'A step in a later turn counts as the effect of the last message of its sender.',
  },
  {
    id: 'receiving-refusal-proves-never-taken',
    module: 'src/actors/receiving/store-effects.ts',
    find: "NEVER_TAKEN.has(failure.code) ? 'never' : 'unknown'",
    replace: "'never'",
    defect: 'Any refusal of a hand-over counts as the proof that its pages were never taken.',
  },
  {
    id: 'receiving-no-allocated-notice',
    module: 'src/actors/receiving/store-effects.ts',
    find: 'if (!isAnswered) this.#notifyAllocated(holder, batch, { grant, ...columns });',
    replace: '',
    defect: 'A batch that has waited gets no notice: its sender learns of its pages only when it asks.',
  },
  {
    id: 'receiving-stale-hand-over-ends',
    module: 'src/actors/receiving/store-effects.ts',
    find: "failure.code !== 'stale_grant' && failure.code !== 'request_active'",
    replace: "failure.code !== 'request_active'",
    defect: 'A hand-over under a remote key that was replaced ends the request instead of being made again.',
  },
  {
    id: 'receiving-abort-answers-wish',
    module: 'src/actors/receiving/receiver.ts',
    find: 'await ingest.decided;',
    replace: '',
    defect: 'An abort is answered before the end is recorded, with the end that the sender wished.',
  },
  {
    id: 'receiving-fenced-too-early',
    module: 'src/actors/receiving/receiver.ts',
    find: 'const DRAINS_MAX = 2;',
    replace: 'const DRAINS_MAX = 1;',
    defect: 'A remote key is revoked while the report that its writes have drained may still be on its way.',
  },
  {
    id: 'receiving-draining-agent-accepts',
    module: 'src/actors/receiving/receiver.ts',
    find: 'if (known === undefined) this.#refuse(holder, totalChunks);',
    replace: '',
    defect: 'An agent that stops takes new requests.',
  },
  {
    id: 'receiving-cancel-of-every-epoch',
    module: 'src/actors/receiving/ingests.ts',
    find: 'epoch === undefined || task.holder.epoch === epoch',
    replace: 'epoch !== task.request',
    defect: 'A cancel for one epoch cancels the requests of that id of every sender.',
  },
];
