/**
 * Defects of the upstream code and of our own (docs/simulation.md), planted in the compiled modules while they are loaded: a simulator
 * that does not find them would prove nothing. Each change names text that must be there exactly once, so that a change of
 * the shipped code cannot turn a planted defect into none.
 */
export interface Change {
  /** End of the module's path. */
  readonly module: string;
  readonly find: string;
  readonly replace: string;
}

export const defects = {
  /** A key that exists counts as ready, also when its page is still being written. */
  P1: [
    { module: 'src/store/commands/place.js', find: 'if (!known.ready) {', replace: 'if (false) {' },
    { module: 'src/store/commands/end.js', find: '.every((entry) => entry.ready)', replace: '.every(() => true)' },
  ],
  /** The writer is gone, and the requests that joined it keep a page that is never written. */
  P2: [
    {
      module: 'src/store/commands/end.js',
      find: 'if (ready || place?.writer !== holder)',
      replace: 'if (ready || place?.writer !== holder || entry.holders.size > 1)',
    },
  ],
  /** References are counted by key: the receiver has rolled back, the sender's cancel drops them once more. */
  P4: [
    {
      module: 'src/actors/receiving/receiver.js',
      find: 'if (this.#store.view.tombstone(holder) === undefined) {',
      replace:
        "if (this.#store.view.tombstone(holder) !== undefined) this.#store.execute({ type: 'end', holder, end, reason });\n        else {",
    },
    {
      module: 'src/store/commands/end.js',
      find: 'state.tombstones.add(id, end, reason, state.nowMs);',
      replace: `state.planted ??= new Map();
        for (const entry of state.planted.get(name) ?? []) {
            const [other] = entry.holders;
            if (other !== undefined) state.contents.unlease(other, entry);
        }
        state.planted.set(name, holder === undefined ? [] : [...holder.leases.values()]);
        state.tombstones.add(id, end, reason, state.nowMs);`,
    },
  ],
  /** A cancel frees pages while their write is under way. */
  P5: [
    {
      module: 'src/store/state.js',
      find: 'if (writer.drained || !this.grants.has(grant)) {',
      replace: 'if (true) {',
    },
  ],
  /** Without tombstones, a message that comes after the end of its request starts the request again. */
  P6: [
    {
      module: 'src/store/tombstones.js',
      find: 'return this.#byName.get(nameOf(holder))?.tombstone;',
      replace: 'return undefined;',
    },
  ],
  /** Remote keys have no generation: the key of a sender that was fenced, or has connected again, still works. */
  P13: [
    {
      module: 'src/actors/peers/sender-peer.js',
      find: 'await this.#env.fabric.revoke(held.id);',
      replace: '',
    },
  ],
  /** Every rank ends alone, whatever happens to the others. */
  P17: [
    {
      module: 'machines/ingest.js',
      find: 'completeOfRanks: ({ context }) => context.rank !== null && isComplete(context)',
      replace: 'completeOfRanks: () => false',
    },
    {
      module: 'src/actors/receiving/ingest-actor.js',
      find: 'if (this.#link !== undefined) {',
      replace: 'if (false) {',
    },
  ],
  /** Nothing ever becomes ready: no request counts as complete. */
  M13: [
    {
      module: 'machines/ingest.js',
      find: 'return lastBatch !== null && batches === lastBatch + 1 && pending === 0;',
      replace: 'return false;',
    },
  ],
  /** Time empties the quarantine: a page that a write may still reach is used again. */
  S10: [
    {
      module: 'src/store/commands/expire.js',
      find: 'state.tombstones.prune(state.nowMs);',
      replace: `state.tombstones.prune(state.nowMs);
    for (const { grant, sinceMs } of state.quarantine.describe()) if (state.nowMs - sinceMs > 200) state.quarantine.fenced(grant);`,
    },
  ],
  /** The store learns that a remote key is revoked before the fabric has revoked it. */
  A06b: [
    {
      module: 'src/actors/peers/sender-peer.js',
      find: `await this.#env.fabric.revoke(held.id);
        this.#grant = undefined;
        this.#listener.fenced(held.id);`,
      replace: `this.#listener.fenced(held.id);
        await this.#env.fabric.revoke(held.id);
        this.#grant = undefined;`,
    },
  ],
  /** One `no_responders` is death. */
  A21: [
    {
      module: 'src/actors/living/ask-process.js',
      find: "if (error.code !== 'no_responders')",
      replace: "if (error.code === 'no_responders')\n            return { replacedBy: 'no process' };\n        else",
    },
  ],
  /** A sender never learns that the chunks that a batch had joined are ready, before the request ends. */
  M09: [
    {
      module: 'src/actors/sending/transfer-actor.js',
      find: "tell(this.#actor, { type: 'join.resolved' });",
      replace: '',
    },
  ],
  /** A hand-over that was declined is forgotten: no request writes the chunk any more. */
  S13: [
    {
      module: 'src/store/commands/hand-over.js',
      find: 'state.contents.join({ entry, holder, batch: command.batch, position, declined: place.grant });',
      replace: '',
    },
  ],
  /** A refused hand-over ends the request, whatever the reason. */
  A24: [
    {
      module: 'src/actors/receiving/store-effects.js',
      find: "if (failure.code !== 'stale_grant' && failure.code !== 'request_active') {",
      replace: 'if (true) {',
    },
  ],
  /** Every route of an offered request counts, and not only the first. */
  T29: [
    {
      module: 'src/actors/sending/check-route.js',
      find: 'if (route === undefined)',
      replace: 'if (true)',
    },
  ],
  /** An offered request that ends keeps its source memory. */
  'T29 memory': [
    {
      module: 'src/actors/sending/request-actor.js',
      find: 'this.#batches.giveBack();',
      replace: '',
    },
  ],
  /** A batch whose first chunks were skipped gives back the memory of those, and not of the chunks that it has sent. */
  'T29 skip': [
    {
      module: 'src/actors/sending/transfer-actor.js',
      find: 'position + skipped',
      replace: 'position',
    },
  ],
  /** A batch whose remote key is revoked before the batch is written fails. */
  A05: [
    {
      module: 'src/actors/sending/transfer-actor.js',
      find: 'attempt >= ALLOCATE_ATTEMPTS_MAX',
      replace: 'true',
    },
  ],
} as const satisfies Record<string, readonly Change[]>;

export type Defect = keyof typeof defects;
