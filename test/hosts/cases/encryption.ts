/** What can be read on the wire. */
import { join } from 'node:path';
import { fillPage } from '../../../src/cli/demo/pattern.js';
import { ChildProcess } from '../../../src/processes/child-process.js';
import { within } from '../../../src/processes/within.js';
import { Pair } from '../pair.js';
import type { HostsRun } from '../site.js';
import { expect, type HostsCase } from './hosts-case.js';

const PROGRAM = join(process.cwd(), 'test/hosts/network/capture.py');
const TIMEOUT_MS = 20_000;
const CHUNKS = 4;
const MEGABITS = 200;
/** The bytes of a chunk repeat after each block. The number of the block is at its start. */
const BLOCK_BYTES = 4096;
const LOOKED_FOR = { from: 64, bytes: 32 } as const;

interface Capture {
  readonly frames: number;
  /** Frames that have bytes of a chunk. */
  readonly found: number;
  readonly dropped: number;
}

/** The same transfer in clear shows that the capture finds the bytes. */
export const encryption: HostsCase = {
  name: 'a capture of all frames → bytes of chunks in clear, none with encryption',
  async run(run) {
    const clear = await captured(run, 'off');
    const encrypted = await captured(run, 'required');
    const figures = `in clear ${JSON.stringify(clear)}, encrypted ${JSON.stringify(encrypted)}`;
    run.say(`  ${figures}`);
    expect(clear.found > 0, `the capture does not find what is there: ${figures}`);
    expect(encrypted.found === 0 && encrypted.frames > 0, `bytes of chunks travel in clear: ${figures}`);
    expect(clear.dropped === 0 && encrypted.dropped === 0, `the capture is not complete: ${figures}`);
  },
};

async function captured(run: HostsRun, setting: 'off' | 'required'): Promise<Capture> {
  const args = ['--tcp-encryption', setting];
  await using pair = await Pair.start(run, { prefill: args, decode: args });
  run.router.limitRate(pair.decode.host, MEGABITS);
  const keys = Array.from({ length: CHUNKS }, (_, index) => `encryption-${setting}@${index}`);
  const capture = new ChildProcess({
    name: 'capture',
    command: 'python3',
    args: [PROGRAM, ...keys.map(bytesOf)],
    input: true,
  });
  await capture.printed((line) => (line === 'ready' ? true : undefined), 'that it is ready', TIMEOUT_MS);
  await pair.check(await pair.putKeys(keys));
  capture.process.stdin?.end();
  const how = await within(TIMEOUT_MS, 'the capture does not end', capture.ended);
  expect(how === 'ended with exit status 0', `the capture ${how}: ${capture.outputTail()}`);
  await pair.settled();
  return JSON.parse(capture.lines.at(-1) ?? '') as Capture;
}

/** Bytes that occur in each block of the chunk, in hexadecimal digits. */
function bytesOf(key: string): string {
  const block = Buffer.alloc(BLOCK_BYTES);
  fillPage(block, key);
  return block.subarray(LOOKED_FOR.from, LOOKED_FOR.from + LOOKED_FOR.bytes).toString('hex');
}
