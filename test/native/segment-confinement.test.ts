/** T28: which files an agent attaches as segments: those below its directories, of its users, and no memory of an agent. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chownSync,
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { NativeFabricOptions } from '../../src/native/fabric-options.js';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import { nativeStatus } from '../../src/native/native-status.js';
import type { FabricPort } from '../../src/ports/fabric.js';

const { addon } = nativeStatus();
const NOBODY = 65_534;
const isRoot = process.geteuid?.() === 0;
const SWAPS_SEEN = 200;
const LINK = 'a link leads to it, or out of its directory: name the file itself';
const OF_AGENT = 'it is the memory of an agent: attach a file of the engine';

let parent: string;
/** Below it segments may be. */
let directory: string;
let fabrics: FabricPort[];

beforeEach(() => {
  parent = mkdtempSync('/dev/shm/kvferry-test-');
  directory = join(parent, 'segments');
  mkdirSync(directory);
  fabrics = [];
});

afterEach(async () => {
  await Promise.all(fabrics.map((fabric) => fabric.close()));
  rmSync(parent, { recursive: true });
});

async function open(options: Partial<NativeFabricOptions> = {}): Promise<FabricPort> {
  const fabric = await openNativeFabric({ providers: [], segmentDirectories: [directory], ...options });
  fabrics.push(fabric);
  return fabric;
}

/** A file below the directory, or below another one. */
function file(name: string, above = directory): string {
  const path = join(above, name);
  writeFileSync(path, 'bytes of an engine');
  return path;
}

function identityOf(path: string): string {
  const { dev, ino } = statSync(path);
  return `${dev}:${ino}`;
}

/** What attaching the path is refused with. Nothing is attached under that name then. */
async function refusal(fabric: FabricPort, path: string): Promise<{ readonly code: string; readonly message: string }> {
  const { code, message } = await fabric.attachSegment('s', path).then(
    () => ({ code: 'attached', message: '' }),
    (error: { code: string; message: string }) => error,
  );
  await expect(fabric.detachSegment('s')).rejects.toMatchObject({ code: 'segment_not_found' });
  return { code, message: message.replace(`segment s: segment file ${path}: `, '') };
}

describe.skipIf(!addon)('below the directories', () => {
  test('a file, also deeper, also by a path with dots → attached, with its identity', async () => {
    const fabric = await open();
    mkdirSync(join(directory, 'deeper'));
    const path = file('deeper/engine');
    const attached = { file: identityOf(path), bytes: 18 };
    expect(await fabric.identify(path)).toEqual(attached);
    expect(await fabric.attachSegment('s', path)).toEqual(attached);
    expect(await fabric.attachSegment('t', `${directory}/./deeper/../deeper/engine`)).toEqual(attached);
  });

  test('T28: a path outside → refused, and it is not looked at', async () => {
    const fabric = await open();
    const outside = file('outside', parent);
    for (const path of [outside, `${directory}/../outside`, '/etc/hostname', '/proc/self/exe', '/proc/self/fd/0']) {
      const { code, message } = await refusal(fabric, path);
      expect([code, message]).toEqual([
        'segment_invalid',
        expect.stringContaining('is not below a directory for segments'),
      ]);
      expect(await fabric.identify(path)).toBeUndefined();
    }
  });

  test('T28: links at the end and in the middle of the path → refused', async () => {
    const fabric = await open();
    const inside = file('inside');
    mkdirSync(join(parent, 'elsewhere'));
    file('secret', join(parent, 'elsewhere'));
    symlinkSync(join(parent, 'elsewhere', 'secret'), join(directory, 'to-secret'));
    symlinkSync('../elsewhere', join(directory, 'to-elsewhere'));
    symlinkSync('inside', join(directory, 'to-inside'));
    symlinkSync('/proc/self', join(directory, 'to-proc'));
    for (const name of ['to-secret', 'to-elsewhere/secret', 'to-inside', 'to-proc/exe']) {
      expect(await refusal(fabric, join(directory, name))).toEqual({ code: 'segment_invalid', message: LINK });
      expect(await fabric.identify(join(directory, name))).toBeUndefined();
    }
    expect(await fabric.attachSegment('s', inside)).toMatchObject({ bytes: 18 });
  });

  test('a directory that is a link itself → its files are attached', async () => {
    symlinkSync(directory, join(parent, 'link'));
    const fabric = await open({ segmentDirectories: [join(parent, 'link')] });
    file('engine');
    expect(await fabric.attachSegment('s', join(parent, 'link', 'engine'))).toMatchObject({ bytes: 18 });
  });

  test('T28: the directory is moved away, another has its name → the first one counts', async () => {
    const fabric = await open();
    file('engine');
    renameSync(directory, join(parent, 'moved'));
    mkdirSync(directory);
    writeFileSync(join(directory, 'engine'), 'of another engine');
    expect(await fabric.attachSegment('s', join(directory, 'engine'))).toEqual({
      file: identityOf(join(parent, 'moved', 'engine')),
      bytes: 18,
    });
  });

  test('T28: a file and a link take turns under one name → the file, or nothing', async () => {
    const fabric = await open();
    const secret = file('secret', parent);
    const path = join(directory, 'changing');
    // The second name of the file keeps its identity while the first one changes.
    linkSync(file('engine'), path);
    const swapping = spawn(
      'sh',
      ['-c', `while :; do ln -sf '${secret}' l; mv -T l changing; ln -f engine f; mv -T f changing; done`],
      {
        cwd: directory,
        stdio: 'ignore',
      },
    );
    try {
      const seen = { attached: 0, refused: 0 };
      while (seen.attached + seen.refused < SWAPS_SEEN) {
        const name = `s${seen.attached}`;
        try {
          expect(await fabric.attachSegment(name, path)).toMatchObject({ file: identityOf(join(directory, 'engine')) });
          seen.attached += 1;
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^segment_(invalid|not_found)$/) });
          seen.refused += 1;
        }
      }
      expect(seen.attached + seen.refused).toBe(SWAPS_SEEN);
    } finally {
      swapping.kill('SIGKILL');
      await once(swapping, 'exit');
    }
  });

  test('a directory that is not there → the fabric does not open, with the reason', async () => {
    const missing = join(parent, 'missing');
    await expect(open({ segmentDirectories: [missing] })).rejects.toMatchObject({
      code: 'invalid_configuration',
      message: `opening the fabric: segment directory ${missing}: No such file or directory`,
    });
    await expect(open({ segmentDirectories: [file('file')] })).rejects.toMatchObject({ code: 'invalid_configuration' });
  });
});

describe.skipIf(!addon)('memory of agents', () => {
  test('T28: the own arena, another one, a hard link to it, staging memory → refused', async () => {
    const fabric = await open();
    const other = await open();
    const paths = ['own', 'other', 'staging', 'link'].map((name) => join(directory, name)) as [
      string,
      string,
      string,
      string,
    ];
    await fabric.createArena({ path: paths[0], pageBytes: 4096, pages: 1 });
    await other.createArena({ path: paths[1], pageBytes: 4096, pages: 1 });
    await other.createSegment('staging', paths[2], 4096);
    linkSync(paths[1], paths[3]);
    for (const path of paths)
      expect(await refusal(fabric, path)).toEqual({ code: 'segment_invalid', message: OF_AGENT });
  });

  test('T28: the arena of an agent that has ended → refused by its name', async () => {
    const fabric = await open();
    const path = file('kvferry-decode-0-0123456789abcdef-arena');
    expect(await refusal(fabric, path)).toEqual({
      code: 'segment_invalid',
      message: `segment s: ${path} has the name of an agent's memory: attach a file of the engine`,
    });
  });

  test('a file that its engine has locked, as the Python client does → attached', async () => {
    const fabric = await open();
    const path = file('engine');
    const engine = spawn('sh', ['-c', 'exec 9<"$0"; flock --exclusive 9; echo locked; cat', path], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    await once(engine.stdout, 'data');
    expect(await fabric.attachSegment('s', path)).toMatchObject({ bytes: 18 });
    engine.stdin.end();
    expect(await once(engine, 'exit')).toEqual([0, null]);
  });
});

describe.skipIf(!addon)('descriptors of processes, when /proc is a directory for segments', () => {
  test('T28: a file that has a name, a link that is no descriptor → refused', async () => {
    const fabric = await open({ segmentDirectories: ['/proc'] });
    const named = openSync(file('engine'), 'r');
    const paths = [`/proc/${process.pid}/fd/${named}`, `/proc/${process.pid}/exe`];
    for (const path of paths) {
      expect(await refusal(fabric, path)).toEqual({
        code: 'segment_invalid',
        message: 'the file has a name, by which it must be attached',
      });
    }
    closeSync(named);
    const through = `/proc/self/fd/${named}`;
    expect(await refusal(fabric, through)).toEqual({ code: 'segment_invalid', message: LINK });
    const root = `/proc/${process.pid}/root/etc/hostname`;
    expect(await refusal(fabric, root)).toEqual({ code: 'segment_invalid', message: LINK });
  });
});

describe.skipIf(!addon || !isRoot)('files of other users (needs root)', () => {
  test('T28: the owner is not in the list → refused; in the list → attached', async () => {
    const path = file('engine');
    chownSync(path, NOBODY, NOBODY);
    expect(await refusal(await open(), path)).toEqual({
      code: 'segment_invalid',
      message: `it belongs to user ${NOBODY}, who is not in --segment-owner of the agent`,
    });
    const fabric = await open({ segmentOwners: [NOBODY] });
    expect(await fabric.attachSegment('theirs', path)).toMatchObject({ bytes: 18 });
    const own = file('own');
    expect(await refusal(fabric, own)).toEqual({
      code: 'segment_invalid',
      message: 'it belongs to user 0, who is not in --segment-owner of the agent',
    });
  });
});
