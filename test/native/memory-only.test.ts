/** Segments are memory. A file on a disk or on the network may not answer, and would stop the thread that serves every sender. */
import { mkdtempSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import { nativeStatus } from '../../src/native/native-status.js';

const { addon } = nativeStatus();

describe.skipIf(!addon)('files that are not in memory', () => {
  test('T27: a file on a disk → not attached, not created, with the reason', async () => {
    const onDisk = mkdtempSync(fileURLToPath(new URL('../../build/kvferry-test-', import.meta.url)));
    const thisFile = fileURLToPath(import.meta.url);
    const fabric = await openNativeFabric({ providers: [], segmentDirectories: [dirname(thisFile)] });
    onTestFinished(async () => {
      await fabric.close();
      rmSync(onDisk, { recursive: true });
    });
    await expect(fabric.attachSegment('s', thisFile)).rejects.toMatchObject({
      code: 'segment_invalid',
      message: `segment s: segment file ${thisFile}: not a file in memory (tmpfs, hugetlbfs or memfd)`,
    });
    const path = `${onDisk}/arena`;
    await expect(fabric.createArena({ path, pageBytes: 4096, pages: 1 })).rejects.toMatchObject({
      code: 'arena_unavailable',
      message: expect.stringContaining('not in a memory file system (tmpfs or hugetlbfs)'),
    });
  });
});
