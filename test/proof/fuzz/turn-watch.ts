/**
 * Loaded into an agent by `node --import`: measures how long its event loop was busy in one turn. Answers the message `turns`
 * of its parent. Time in which the processor served other processes does not count.
 */
const INTERVAL_MS = 2;
const US_PER_MS = 1000;

let longestTurnMs = 0;
let lookedMs = performance.now();
let cpu = process.cpuUsage();

setInterval(() => {
  const nowMs = performance.now();
  const { user, system } = process.cpuUsage(cpu);
  const lateMs = nowMs - lookedMs - INTERVAL_MS;
  longestTurnMs = Math.max(longestTurnMs, Math.min(lateMs, (user + system) / US_PER_MS));
  lookedMs = nowMs;
  cpu = process.cpuUsage();
}, INTERVAL_MS).unref();

process.on('message', (message) => {
  if (message !== 'turns') return;
  process.send?.({ longestTurnMs });
  longestTurnMs = 0;
});
