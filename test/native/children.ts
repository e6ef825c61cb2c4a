/** Child processes that use the compiled facade, each ended with the test that started it. */
import { type ChildProcess as NodeProcess, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ChildProcess, type ProcessExit } from '../../src/processes/child-process.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

const ANSWER_TIMEOUT_MS = 60_000;

/** The facade, compiled to a directory of its own, since Node runs no TypeScript. */
export class CompiledFacade {
  readonly path: string;
  readonly #directory: string;

  constructor() {
    this.#directory = mkdtempSync('/tmp/kvferry-facade-');
    this.path = join(this.#directory, 'dist/src/native/native-fabric.js');
    const config = {
      extends: join(root, 'tsconfig.json'),
      compilerOptions: { noEmit: false, rootDir: root, outDir: join(this.#directory, 'dist'), types: ['node'] },
      files: [join(root, 'src/native/native-fabric.ts')],
      include: [],
    };
    const configPath = join(this.#directory, 'tsconfig.json');
    writeFileSync(configPath, JSON.stringify(config));
    writeFileSync(join(this.#directory, 'package.json'), JSON.stringify({ type: 'module' }));
    symlinkSync(join(root, 'build'), join(this.#directory, 'build'));
    symlinkSync(join(root, 'node_modules'), join(this.#directory, 'node_modules'));
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const { status, stdout } = spawnSync(process.execPath, [compiler, '-p', configPath], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`the facade does not compile:\n${stdout}`);
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true });
  }
}

/** A program of `children/`, which answers lines of JSON with lines of JSON. */
export class Child {
  readonly #child: ChildProcess;
  readonly #answers: string[] = [];
  readonly #errors: string[] = [];
  #taken = 0;

  /** `env`: added to that of this process. */
  constructor(
    program: string,
    args: readonly string[],
    nodeArgs: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ) {
    const path = fileURLToPath(new URL(`children/${program}`, import.meta.url));
    this.#child = new ChildProcess({
      name: program,
      command: process.execPath,
      args: [...nodeArgs, path, ...args],
      env: { ...process.env, ...env },
      input: true,
      onLine: (line, stream) => void (stream === 'stdout' ? this.#answers : this.#errors).push(line),
    });
  }

  get process(): NodeProcess {
    return this.#child.process;
  }

  get ended(): Promise<ProcessExit> {
    return this.#child.exited;
  }

  get stderr(): string {
    return this.#errors.join('\n');
  }

  /** The next line that it prints, parsed. */
  async line<T>(): Promise<T> {
    const next = this.#taken;
    this.#taken += 1;
    const text = await this.#child.printed(() => this.#answers[next], `answer ${next}`, ANSWER_TIMEOUT_MS);
    return JSON.parse(text) as T;
  }

  tell(object: unknown): void {
    this.#child.process.stdin?.write(`${JSON.stringify(object)}\n`);
  }

  /** Resolves when every thread has stopped. The signal is on its way for a moment. */
  async stop(): Promise<void> {
    const { pid } = this.process;
    this.process.kill('SIGSTOP');
    const states = () =>
      readdirSync(`/proc/${pid}/task`).map((thread) =>
        readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8').replace(/^.*\) (.).*$/s, '$1'),
      );
    while (states().some((state) => state !== 'T')) await delay(1);
  }

  continue(): void {
    this.process.kill('SIGCONT');
  }

  async kill(): Promise<ProcessExit> {
    await this.#child.kill();
    return this.#child.exited;
  }
}

/** Makes a memfd, byte i being i modulo 251, says where it is, and gives it the sizes that it is asked for. */
const ENGINE = `
import fcntl, os, sys
size, kind = int(sys.argv[1]), sys.argv[2]
fd = os.memfd_create('kv', os.MFD_ALLOW_SEALING | (4 if kind == 'huge' else 0))
os.ftruncate(fd, size)
import mmap
def fill():
    with mmap.mmap(fd, size) as memory:
        memory[:] = (bytes(range(251)) * (size // 251 + 1))[:size]
fill()
if kind == 'sealed':
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
print(f'"/proc/{os.getpid()}/fd/{fd}"', flush=True)
for line in sys.stdin:
    os.ftruncate(fd, int(line))
    if int(line) == size:
        fill()
    print(line, end='', flush=True)
`;

/** An engine whose memory is a memfd: no file in any directory. */
export class Engine {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  #taken = 0;

  constructor(bytes: number, kind: 'sealed' | 'unsealed' | 'huge') {
    this.#child = new ChildProcess({
      name: 'engine',
      command: 'python3',
      args: ['-c', ENGINE, String(bytes), kind],
      input: true,
      onLine: (line, stream) => void (stream === 'stdout' && this.#lines.push(line)),
    });
  }

  /** The path under which the memory can be attached. Asked for once. */
  path(): Promise<string> {
    return this.#line();
  }

  /** Gives the memory this size, and its contents again if that is its first size. */
  async resize(bytes: number): Promise<void> {
    this.#child.process.stdin?.write(`${bytes}\n`);
    await this.#line();
  }

  end(): void {
    this.#child.process.stdin?.end();
  }

  async #line<T>(): Promise<T> {
    const next = this.#taken;
    this.#taken += 1;
    const text = await this.#child.printed(() => this.#lines[next], `line ${next}`, ANSWER_TIMEOUT_MS);
    return JSON.parse(text) as T;
  }
}
