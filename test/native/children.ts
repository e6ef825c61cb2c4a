/** Child processes that use the compiled facade, each ended with the test that started it. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

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

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class Child {
  readonly process: ChildProcess;
  readonly ended: Promise<Ending>;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  #stderr = '';

  constructor(program: string, args: readonly string[], nodeArgs: readonly string[] = []) {
    const path = fileURLToPath(new URL(`children/${program}`, import.meta.url));
    this.process = spawn(process.execPath, [...nodeArgs, path, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    if (this.process.stdout === null || this.process.stderr === null) throw new Error('no pipes');
    this.process.stderr.on('data', (text) => {
      this.#stderr += text;
    });
    this.#reader = createInterface({ input: this.process.stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
    this.ended = new Promise((resolve) => {
      this.process.on('close', (code, signal) => resolve({ code, signal }));
    });
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** The next line that it prints, parsed. */
  async line<T>(): Promise<T> {
    const { done, value } = await this.#lines.next();
    if (done === true) throw new Error(`the child ended: ${JSON.stringify(await this.ended)} ${this.#stderr}`);
    return JSON.parse(value) as T;
  }

  tell(object: unknown): void {
    this.process.stdin?.write(`${JSON.stringify(object)}\n`);
  }

  async kill(): Promise<Ending> {
    this.process.kill('SIGKILL');
    return this.ended;
  }
}
