/** The programs on docs/guide/engine.md and router.md run, on a package that was installed without its optional dependencies. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { within } from '../../src/processes/within.js';
import { missing, PAGE_BYTES, RealCluster } from '../integration/support.js';
import { PackedPackage } from '../support/packed-package.js';
import { blocks } from './pages.js';

const pages = ['engine.md', 'router.md'].map((name) =>
  readFileSync(new URL(`../../docs/guide/${name}`, import.meta.url), 'utf8'),
);
const WAIT_MS = 20_000;
const SET_UP_TIMEOUT_MS = 60_000;
/** File of the page's engine. The test gives it a name of its own. */
const PAGE_MEMORY = '/dev/shm/engine-ts';

function programOf(name: string): string {
  const [, text] = new RegExp(`\`\`\`ts ${name}\n(.*?)\`\`\``, 's').exec(pages.join('\n')) ?? [];
  if (text === undefined) throw new Error(`docs/guide has no program ${name}`);
  return text;
}

/** A program that runs, and what it prints. */
class Running {
  readonly lines: string[] = [];
  readonly #process: ChildProcess;
  readonly #exit: Promise<unknown[]>;
  #printed: () => void = () => undefined;

  constructor(file: string, ...args: string[]) {
    this.#process = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#exit = once(this.#process, 'exit');
    if (this.#process.stdout === null) throw new Error('the program has no output');
    createInterface({ input: this.#process.stdout }).on('line', (line) => {
      this.lines.push(line);
      this.#printed();
    });
  }

  async hasPrinted(line: string): Promise<void> {
    while (!this.lines.includes(line)) {
      const printed = new Promise<void>((resolve) => {
        this.#printed = resolve;
      });
      await within(WAIT_MS, `the program never printed ${line}`, printed);
    }
  }

  async ended(): Promise<unknown> {
    const [status] = await within(WAIT_MS, 'the program did not end', this.#exit);
    return status;
  }
}

describe.skipIf(missing !== undefined)(`docs/guide/engine.md ${missing ?? ''}`, () => {
  let installed: PackedPackage;
  beforeAll(() => {
    installed = new PackedPackage();
  }, SET_UP_TIMEOUT_MS);
  afterAll(() => installed[Symbol.dispose]());

  /** Writes a program of the page, with the names that this test has. */
  function write(name: string, url: string, memory: string): string {
    const text = programOf(name).replaceAll('nats://127.0.0.1:4222', url).replaceAll(PAGE_MEMORY, memory);
    const file = join(installed.directory, name.replace('.ts', '.mts'));
    writeFileSync(file, text);
    installed.checkTypes(file);
    // It has no type annotations, so it is JavaScript too.
    const program = file.replace('.mts', '.mjs');
    writeFileSync(program, text);
    return program;
  }

  test(
    'its two programs move a prompt from a prefill engine to a decode engine',
    async () => {
      await using cluster = await RealCluster.start();
      await Promise.all([cluster.agent('decode-0', 'decode'), cluster.agent('prefill-0', 'prefill')]);
      const memory = `/dev/shm/kvferry-guide-${process.pid}`;
      const [decodeFile, prefillFile] = ['decode.ts', 'prefill.ts'].map((name) => write(name, cluster.url, memory));
      try {
        const decode = new Running(decodeFile as string);
        await decode.hasPrinted('waiting for prompt-7');
        const prefill = new Running(prefillFile as string);
        expect([await prefill.ended(), await decode.ended()]).toEqual([0, 0]);
        expect(prefill.lines).toEqual([`prompt-7 is ready: 2 chunks, ${2 * PAGE_BYTES} bytes moved`]);
        expect(decode.lines).toEqual([
          'waiting for prompt-7',
          `llama@1@0@5f0c@bf16: ${PAGE_BYTES} bytes, the first one is 1`,
          `llama@1@0@a41b@bf16: ${PAGE_BYTES} bytes, the first one is 2`,
        ]);
        expect(existsSync(memory)).toBe(false);
        const { pages } = await cluster.statusWhen('decode-0', (status) => status.pages?.free === status.pages?.total);
        expect(pages?.total).toBe(16);
      } finally {
        rmSync(memory, { force: true });
      }
    },
    SET_UP_TIMEOUT_MS,
  );

  test(
    'the router sends a prompt to the agent that holds its prefix',
    async () => {
      await using cluster = await RealCluster.start();
      await Promise.all([
        cluster.agent('decode-0', 'decode'),
        cluster.agent('decode-1', 'decode'),
        cluster.agent('prefill-0', 'prefill'),
      ]);
      await cluster.segment('prefill-0', ['k0', 'k1', 'k2']);
      await cluster.put('prefill-0', 'p1', ['k0', 'k1'], { receiver: 'decode-1' });
      await cluster.ended('p1');
      await cluster.put('prefill-0', 'p2', ['k0', 'k1', 'k2'], { receiver: undefined });
      const program = new Running(write('router.ts', cluster.url, PAGE_MEMORY), 'prefill-0', 'p2', 'k0', 'k1', 'k2');
      expect(await program.ended()).toBe(0);
      expect(program.lines).toEqual([
        'decode-1 holds 2 of 3 chunks',
        'p2 is ready: 3 chunks, 2 of them were there already',
      ]);
    },
    SET_UP_TIMEOUT_MS,
  );

  test('the TypeScript of docs/guide/protocol.md fits the package', () => {
    const guide = readFileSync(new URL('../../docs/guide/protocol.md', import.meta.url), 'utf8');
    const shown = blocks(guide, 'ts');
    expect(shown.length).toBe(3);
    const file = join(installed.directory, 'protocol-guide.mts');
    writeFileSync(file, shown.join('\n'));
    installed.checkTypes(file);
  });

  test('the protocol can be imported alone, and describes an agent', async () => {
    await using cluster = await RealCluster.start();
    await cluster.agent('decode-0', 'decode');
    const file = join(installed.directory, 'describe.mjs');
    writeFileSync(
      file,
      `import { connect } from '@nats-io/transport-node';
      import { decodeReply, operationSchemas, subjects } from 'kvferry/protocol';
      const nats = await connect({ servers: '${cluster.url}' });
      const answer = await nats.request(subjects.operation('decode-0', 'default', 'describe'), JSON.stringify({ v: 2 }));
      console.log(decodeReply(operationSchemas.describe.reply, answer.string()).role);
      await nats.close();`,
    );
    const program = new Running(file);
    expect([await program.ended(), program.lines]).toEqual([0, ['decode']]);
  });

  test('without its optional dependencies → the install script compiles nothing', () => {
    const { manifest, files, directory } = installed;
    expect(Object.keys(manifest.dependencies).sort()).toEqual(['@nats-io/transport-node', 'zod']);
    // npm compiles nothing by itself.
    expect([manifest.gypfile, manifest.scripts['install']]).toEqual([false, 'node scripts/package/install.mjs']);
    const home = join(directory, 'node_modules/kvferry');
    const { status, stderr } = spawnSync(process.execPath, ['scripts/package/install.mjs'], {
      cwd: home,
      encoding: 'utf8',
      env: { ...process.env, npm_config_build_from_source: 'true' },
    });
    expect([status, stderr, existsSync(join(home, 'build'))]).toEqual([0, '', false]);
    // So the programs above have loaded none of these.
    const others = Object.keys(manifest.optionalDependencies);
    expect(others).toEqual(expect.arrayContaining(['commander', 'elkjs', 'fastify', 'pino', 'preact', 'xstate']));
    expect(others.filter((name) => existsSync(join(directory, 'node_modules', name)))).toEqual([]);
    expect(files.filter((name) => /\.map$|^(test|bench)\//.test(name))).toEqual([]);
    for (const entry of ['client', 'protocol']) {
      expect(files).toContain(`dist/src/${entry}/index.js`);
      expect(files).toContain(`dist/src/${entry}/index.d.ts`);
    }
  });
});
