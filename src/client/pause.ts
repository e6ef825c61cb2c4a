import type { ClockPort } from '../ports/clock.js';

export function pause(clock: ClockPort, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimeout(resolve, ms));
}
