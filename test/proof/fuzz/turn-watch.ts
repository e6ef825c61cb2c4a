/**
 * Loaded into an agent by `node --expose-gc --import`: measures how long its event loop was busy in one turn, and how much memory
 * it keeps. Answers the messages `turns` and `memory` of its parent. Time in which the processor served other processes does
 * not count, nor does memory that waits to be collected.
 */
const INTERVAL_MS = 2;
const US_PER_MS = 1000;
const MIB = 1024 ** 2;

let longestTurnMs = 0;
let lookedMs = performance.now();
let cpu = process.cpuUsage();

function look(): number {
  const nowMs = performance.now();
  const { user, system } = process.cpuUsage(cpu);
  const lateMs = nowMs - lookedMs - INTERVAL_MS;
  lookedMs = nowMs;
  cpu = process.cpuUsage();
  return Math.min(lateMs, (user + system) / US_PER_MS);
}

setInterval(() => {
  longestTurnMs = Math.max(longestTurnMs, look());
}, INTERVAL_MS).unref();

process.on('message', (message) => {
  if (message === 'turns') {
    process.send?.({ longestTurnMs });
    longestTurnMs = 0;
  } else if (message === 'memory') {
    globalThis.gc?.();
    process.send?.({ residentMiB: process.memoryUsage.rss() / MIB });
    // The collection is no turn of the agent's own.
    look();
  }
});
