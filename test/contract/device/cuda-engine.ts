/** A process with memory on a CUDA device, in the place of an inference engine. Its calls return when it has answered. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DeviceMemory } from '../../../src/ports/fabric.js';

const children = fileURLToPath(new URL('../../native/children', import.meta.url));

const kinds = { device: 0, allocate: 1, write: 2, read: 3, release: 4, open: 5 } as const;
const REQUEST_BYTES = 24;
const HANDLE_BYTES = 64;
const UUID_BYTES = 16;
const UUID_GROUPS = /^(.{8})(.{4})(.{4})(.{4})(.{12})$/;
/** The driver shares whole blocks of this size. */
const BLOCK_BYTES = 2 ** 21;

/** Compiles a source of `test/native/children`. */
export function compile(source: string, target: string, ...args: string[]): void {
  const all = ['-std=c++20', '-O1', '-o', target, join(children, source), ...args, '-pthread', '-ldl'];
  const { status, stderr } = spawnSync('g++', all, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${source} does not compile:\n${stderr}`);
}

export class CudaEngine {
  readonly #process: ChildProcess;
  readonly #requests: number;
  readonly #answers: number;
  readonly device: string;
  #last = 0;

  /** `program`: of `cuda-engine.cc`. `directory`: for its pipes. */
  constructor(program: string, directory: string) {
    const pipes = ['requests', 'answers'].map((name) => join(directory, `engine-${name}`));
    const { status } = spawnSync('mkfifo', pipes);
    if (status !== 0) throw new Error(`no pipes in ${directory}`);
    this.#process = spawn(program, pipes, { stdio: ['ignore', 'inherit', 'inherit'] });
    this.#requests = openSync(pipes[0] as string, 'w');
    this.#answers = openSync(pipes[1] as string, 'r');
    this.device = `GPU-${this.#call('device', 0, 0, 0, UUID_BYTES).toString('hex').replace(UUID_GROUPS, '$1-$2-$3-$4-$5')}`;
  }

  allocate(bytes: number): { id: number; memory: DeviceMemory } {
    const id = ++this.#last;
    const whole = Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
    const handle = this.#call('allocate', id, 0, whole, HANDLE_BYTES).toString('base64');
    return { id, memory: { handle, device: this.device, bytes } };
  }

  open({ handle }: DeviceMemory): number {
    const id = ++this.#last;
    this.#call('open', id, 0, 0, 1, Buffer.from(handle, 'base64'));
    return id;
  }

  write(id: number, offset: number, bytes: Uint8Array): void {
    if (bytes.length > 0) this.#call('write', id, offset, bytes.length, 1, bytes);
  }

  read(id: number, offset: number, length: number): Uint8Array {
    return length === 0 ? new Uint8Array() : new Uint8Array(this.#call('read', id, offset, length, length));
  }

  release(id: number): void {
    this.#call('release', id, 0, 0, 1);
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  close(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#process.once('exit', () => resolve()));
    closeSync(this.#requests);
    closeSync(this.#answers);
    return ended;
  }

  #call(
    kind: keyof typeof kinds,
    id: number,
    offset: number,
    length: number,
    answerBytes: number,
    payload?: Uint8Array,
  ): Buffer {
    const request = Buffer.alloc(REQUEST_BYTES);
    request.writeUInt32LE(kinds[kind], 0);
    request.writeUInt32LE(id, 4);
    request.writeBigUInt64LE(BigInt(offset), 8);
    request.writeBigUInt64LE(BigInt(length), 16);
    this.#send(request);
    if (payload !== undefined) this.#send(payload);
    const answer = Buffer.alloc(answerBytes);
    for (let done = 0; done < answerBytes; ) {
      const count = readSync(this.#answers, answer, done, answerBytes - done, null);
      if (count === 0) throw new Error('the engine has ended');
      done += count;
    }
    return answer;
  }

  #send(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) done += writeSync(this.#requests, bytes, done, bytes.length - done);
  }
}
