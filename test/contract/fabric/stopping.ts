/** Stopping a write that is under way. */
import { describe, expect, test } from 'vitest';
import { pattern } from '../pattern.js';
import type { Fabrics } from './fabrics.js';
import { item, MiB, pageBytes, pages, repeated } from './writes.js';

export function describeStopping(fabrics: Fabrics): void {
  describe('stopping', () => {
    test('posts nothing more and says so when what was posted has landed', async () => {
      const pair = await fabrics.openPair();
      await fabrics.attach(pair.sender, 's', pattern('s', pageBytes * pages));
      const write = pair.connection.write(repeated('s', 64 * 1024 * MiB));
      await fabrics.untilSomethingLanded(pair);
      write.stop();
      write.stop();
      const outcome = await write.done;
      expect(outcome).toMatchObject({ status: 'stopped', drained: true });
      expect(outcome.bytes).toBeGreaterThan(0);
      fabrics.fill(pair, 'canary')();
      expect(await pair.connection.write([item('s', 0, 0, 10)]).done).toEqual({ status: 'delivered', bytes: 10 });
      write.stop();
    });

    test('after everything was posted changes nothing', async () => {
      const { sender, connection } = await fabrics.openPair();
      await fabrics.attach(sender, 's', pattern('s', 100));
      const write = connection.write([item('s', 0, 0, 100)]);
      expect(await write.done).toEqual({ status: 'delivered', bytes: 100 });
      write.stop();
      expect(await write.done).toEqual({ status: 'delivered', bytes: 100 });
    });
  });
}
