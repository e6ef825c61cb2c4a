/**
 * Loaded into an agent by `node --expose-gc --import`: measures how long its event loop was busy in one turn, and how much memory
 * it keeps. Answers the messages `turns` and `memory` of its parent. A turn counts the processor time of the thread of the event
 * loop. Time in which the processor served other processes does not count. The threads of Node that compile and collect beside
 * the event loop do not count, nor does memory that waits to be collected.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

const INTERVAL_MS = 2;
const NS_PER_MS = 1e6;
const MIB = 1024 ** 2;
const COLLECTIONS = 5;
const COLLECTION_PAUSE_MS = 100;
/** Its first number: nanoseconds that the main thread ran. `process.cpuUsage` has the sum of all threads. */
const MAIN_THREAD = `/proc/self/task/${process.pid}/schedstat`;

let longestTurnMs = 0;
let lookedMs = performance.now();
let ranMs = mainThreadMs();

function mainThreadMs(): number {
  return Number(readFileSync(MAIN_THREAD, 'latin1').split(' ')[0]) / NS_PER_MS;
}

function look(): number {
  const nowMs = performance.now();
  const nowRanMs = mainThreadMs();
  const turnMs = Math.min(nowMs - lookedMs - INTERVAL_MS, nowRanMs - ranMs);
  lookedMs = nowMs;
  ranMs = nowRanMs;
  return turnMs;
}

setInterval(() => {
  longestTurnMs = Math.max(longestTurnMs, look());
}, INTERVAL_MS).unref();

process.on('message', (message) => {
  if (message === 'turns') {
    process.send?.({ longestTurnMs });
    longestTurnMs = 0;
  } else if (message === 'memory') {
    void keptMiB().then((residentMiB) => process.send?.({ residentMiB }));
  }
});

/** A collection frees some memory beside the event loop, and leaves some to the next one. So there are several. */
async function keptMiB(): Promise<number> {
  let leastMiB = Number.POSITIVE_INFINITY;
  for (let time = 0; time < COLLECTIONS; time += 1) {
    globalThis.gc?.();
    // The collection is no turn of the agent's own.
    look();
    await pause(COLLECTION_PAUSE_MS);
    leastMiB = Math.min(leastMiB, process.memoryUsage.rss() / MIB);
  }
  return leastMiB;
}
