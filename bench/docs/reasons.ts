/** Why an aim is missed, by the name of the aim. From traces of system calls and processor profiles on two processors. */

const ONE_SMALL_WRITE =
  'The worst row has one chunk under way. The receiver copies, which makes a fence possible. Each write passes through three ' +
  'threads, one of them in another process, and back. That takes 60 to 80 µs; the copy of 64 KiB takes 5 µs of it. With ' +
  'more chunks under way, this path is as fast as memcpy or faster.';
const ONE_WRITE_OVER_TCP =
  'The worst row has one chunk under way. The time goes into handing it between threads, and into the acknowledgement of ' +
  'each delivery.';
const WAITS_FOR_MESSAGES =
  'The worst row has one request at a time, with chunks of 1 MiB. Its bytes wait for its control messages. Larger requests, or ' +
  'more at once, hide that time.';
const ONE_BUSY_ROW =
  'One row of six is above the aim; the others, and all rows of the other run, are below 2 ms/s. The cause is not known.';

const reasons: ReadonlyMap<string, string> = new Map([
  ['same host against memcpy, from 1 MiB', ONE_SMALL_WRITE],
  [
    'tcp against one raw stream, from 1 MiB',
    `${ONE_WRITE_OVER_TCP} With enough chunks under way, the kernel's copies in and out of the socket take two thirds of the ` +
      'time, as for a raw stream.',
  ],
  ['same host through agents, against memcpy', WAITS_FOR_MESSAGES],
  ['tcp through agents, against one raw stream', WAITS_FOR_MESSAGES],
  [
    'put to ready of 32 keys, in bare round trips',
    'Put to ready takes five messages in a row: put, allocate, its answer, commit, the event. Each wakes a thread twice, and four ' +
      "hand-overs between a provider's threads and JavaScript follow. That is as much as 3.5 round trips. The rest is the work of " +
      'the agents: for 32 keys, 0.45 ms of CPU time each under load, and twice that for single requests, with cold caches. XState ' +
      'takes one fifth of it; sockets and garbage collection take another fifth.',
  ],
  [
    'throughput lost while an inspector is open, %',
    "The median was 4.7 % in an earlier run. It includes the inspector's own process, which shares the two processors.",
  ],
  [
    'throughput lost to the journal alone, %',
    'Medians of three runs were -0.1, 0.9 and 2.5 %. Journal entries outlive the young generation of the heap and are copied for ' +
      'that: most of the cost is garbage collection.',
  ],
  ['CPU of an idle prefill agent, ms/s', ONE_BUSY_ROW],
  ['CPU of an idle decode agent, ms/s', ONE_BUSY_ROW],
  [
    'against nixl, same-host, from 64 KiB',
    'The worst row has one chunk of 64 KiB under way. NIXL writes into the memory of the other process from the calling thread. ' +
      'That is ten times faster there, but such a write cannot be fenced. In batches of 16 chunks of 256 KiB or more, kvferry is faster.',
  ],
  [
    'against nixl, tcp, from 64 KiB',
    `${ONE_WRITE_OVER_TCP} For larger batches, kvferry uses one stream to a peer, and NIXL exceeds what one stream can do.`,
  ],
  [
    'against mooncake, tcp, from 64 KiB',
    `${ONE_WRITE_OVER_TCP} With eight or more chunks under way, kvferry is faster.`,
  ],
]);

/** Throws for an aim without a reason: the page must not show a missed aim alone. */
export function reasonFor(aim: string): string {
  const reason = reasons.get(aim);
  if (reason === undefined) throw new Error(`the aim "${aim}" is missed and has no reason in bench/docs/reasons.ts`);
  return reason;
}
