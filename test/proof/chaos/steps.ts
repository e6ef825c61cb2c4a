/** The protocol steps at which agents are killed, by side. */

/** Steps of every request at its sender. */
export const SENDER_STEPS = [
  'put.received',
  'describe.sending',
  'describe.answered',
  'connect.sending',
  'connect.answered',
  'connect.starting',
  'connect.done',
  'put.answering',
  'allocate.sending',
  'allocate.answered',
  'write.starting',
  'write.underway',
  'write.done',
  'source.publishing',
  'commit.sending',
  'commit.answered',
  'ended.received',
] as const;

/** Steps at the sender of requests that are given up or share chunks. */
export const SENDER_STEPS_OF_SOME = [
  'cancel.received',
  'abort.sending',
  'abort.answered',
  'drained.sending',
  'drained.answered',
  'joined.received',
] as const;

export const RECEIVER_STEPS = [
  'describe.received',
  'describe.answering',
  'connect.received',
  'grant.starting',
  'grant.done',
  'connect.answering',
  'allocate.received',
  'allocate.answering',
  'commit.received',
  'event.publishing',
  'ended.sending',
  'commit.answering',
] as const;

export const RECEIVER_STEPS_OF_SOME = [
  'acquire.received',
  'acquire.answering',
  'release.received',
  'release.answering',
  'cancel.received',
  'abort.received',
  'abort.answering',
  'drained.received',
  'drained.answering',
  'joined.sending',
  'revoke.starting',
  'revoke.done',
] as const;
