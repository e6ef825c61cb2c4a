/** How much a test that draws at random tries. `KVFERRY_THOROUGH=1`, which `.ci/run` sets, asks for ten times as much. */
import { env } from 'node:process';

const FACTOR = 10;

/** `many` runs when the tests are to be thorough, a tenth of them otherwise. */
export function runs(many: number): number {
  return env['KVFERRY_THOROUGH'] === '1' ? many : Math.ceil(many / FACTOR);
}
