/** The file of an attached segment changes between two writes. */
import { spawnSync } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { testedProviders, whyNot } from '../contract/native-harness.js';
import { pattern } from '../contract/pattern.js';
import { connectedPair } from './connected-pair.js';

const BYTES = 2 ** 20;

for (const provider of testedProviders(['same-host', 'tcp', 'libfabric-tcp'])) {
  const reason = whyNot(provider);
  const name = reason === undefined ? `a source changes: ${provider}` : `${provider} (cannot run here: ${reason})`;
  describe.skipIf(reason !== undefined)(name, () => {
    test('T23: filled again, made smaller, with a hole → what is there, or the reason', async () => {
      const {
        arena,
        segment: path,
        sender,
        connection,
      } = await connectedPair(provider, { pageBytes: BYTES, pages: 1 });
      const send = () => connection.write([{ segment: 's', sourceOffset: 0, targetOffset: 0, length: BYTES }]).done;
      const sendAll = async () => {
        expect(await send()).toEqual({ status: 'delivered', bytes: BYTES });
        expect(Buffer.compare(readFileSync(arena), readFileSync(path))).toBe(0);
      };
      writeFileSync(path, pattern('first', BYTES));
      await sender.attachSegment('s', path);
      await sendAll();
      writeFileSync(path, pattern('filled again', BYTES));
      await sendAll();
      truncateSync(path, BYTES / 2);
      expect(await send()).toMatchObject({ status: 'failed', code: 'segment_invalid', drained: true });
      writeFileSync(path, pattern('whole again', BYTES));
      await sendAll();
      const hole = ['--punch-hole', '--offset', String(BYTES / 4), '--length', String(BYTES / 2), path];
      expect(spawnSync('fallocate', hole).status).toBe(0);
      await sendAll();
    });
  });
}
