/** The memory of an arena comes from the NUMA node that is asked for. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import { nativeStatus } from '../../src/native/native-status.js';

const { addon } = nativeStatus();
const numa = existsSync('/sys/devices/system/node/node0');
const sizes = { pageBytes: 2 ** 20, pages: 4 };
const NO_SUCH_NODE = 1023;

describe.skipIf(!addon || !numa)('the NUMA node of an arena', () => {
  async function createArena(numaNode: number): Promise<string> {
    const directory = mkdtempSync('/dev/shm/kvferry-test-');
    const fabric = await openNativeFabric({ providers: [], numaNode });
    onTestFinished(async () => {
      await fabric.close();
      rmSync(directory, { recursive: true });
    });
    const path = join(directory, 'arena');
    await fabric.createArena({ path, ...sizes });
    return path;
  }

  test('exists → every page is from it', async () => {
    const path = await createArena(0);
    const mapping = readFileSync('/proc/self/numa_maps', 'utf8')
      .split('\n')
      .find((line) => line.includes(path));
    expect(mapping).toContain('bind:0');
    expect(/\bN0=(\d+)/.exec(mapping ?? '')?.[1]).toBe('1024');
  });

  test('does not exist → the arena is not created, with the reason', async () => {
    await expect(createArena(NO_SUCH_NODE)).rejects.toMatchObject({
      code: 'arena_unavailable',
      message: expect.stringMatching(/arena: memory of NUMA node 1023: Invalid argument$/),
    });
  });
});
