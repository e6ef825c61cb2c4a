/** Why an aim is missed, by the name of the aim. From traces of system calls and processor profiles on two processors. */

const ONE_SMALL_WRITE =
  'The worst row has one chunk of 1 MiB under way. The receiver copies, which makes a fence possible. Each write wakes the ' +
  "receiver's thread, and its answer wakes the sender's event loop. That takes 40 to 80 µs; the copy takes 100 µs. In the run with " +
  'peers the same row had 1.2. With more chunks under way, this path is 1.2 to 1.4 times as fast as memcpy.';
const ONE_WRITE_OVER_TCP =
  'The worst row has one chunk under way. A write wakes the thread that sends, the thread that receives, the first one again for the ' +
  'acknowledgement, and then the event loop. That takes about 90 µs, whatever the size.';
const WAITS_FOR_MESSAGES =
  'The worst row has one request at a time, with chunks of 1 MiB. Its bytes wait for its control messages. Larger requests, or ' +
  'more at once, hide that time.';
const ONE_BUSY_ROW =
  'One row of six is above the aim; the others are below 5 ms/s. Some seconds after the load has ended, the engine of JavaScript ' +
  'collects garbage once, for 120 ms. In that row it happens within the two seconds that are measured.';

const reasons: ReadonlyMap<string, string> = new Map([
  ['same host against memcpy, from 1 MiB', ONE_SMALL_WRITE],
  [
    'tcp against one raw stream, from 1 MiB',
    `${ONE_WRITE_OVER_TCP} The wire of 1 MiB takes 230 µs. With 16 chunks under way, the rate is that of a raw stream.`,
  ],
  ['same host through agents, against memcpy', WAITS_FOR_MESSAGES],
  ['tcp through agents, against one raw stream', WAITS_FOR_MESSAGES],
  [
    'put to ready of 32 keys, in bare round trips',
    'Put to ready takes five messages in a row: put, allocate, its answer, commit, the event. Each wakes a thread twice, and four ' +
      "hand-overs between a provider's threads and JavaScript follow. That is as much as 3.5 round trips. The rest is the work of " +
      'the agents: for 32 keys, 0.6 ms of CPU time each under load, and twice that for single requests, with cold caches. XState ' +
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
  [
    'longest turn of the event loop, ms, at the default limits',
    'The worst row is a connection that breaks under 1,000 requests with 50 pages each, at both agents, which share a process here. Its ' +
      'two rounds took 15 and 56 ms.',
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
    `${ONE_WRITE_OVER_TCP} NIXL waits without sleeping, on both processors. kvferry never spins, and uses one stream where ` +
      'there are two processors (four streams where there are more): one thread copies 4 to 5 GB/s out of a socket.',
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
