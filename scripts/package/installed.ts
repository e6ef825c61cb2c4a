/** The package, installed into an empty folder, with the versions of the lock file. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runIn } from './npm.js';
import { lockFile, runtimeLock } from './runtime-lock.js';

/** The result of `kvferry demo --json`. */
export interface DemoSummary {
  readonly requests: number;
  readonly ready: number;
  readonly mismatches: number;
  readonly leakedPages: number;
}

export class Installed {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** `root`: the checkout. `directory` does not exist yet. */
  static async from(
    root: string,
    tarball: string,
    directory: string,
    {
      args = [],
      env = {},
    }: { readonly args?: readonly string[]; readonly env?: Readonly<Record<string, string>> } = {},
  ): Promise<Installed> {
    mkdirSync(directory);
    const { manifest, own, packages } = runtimeLock(root);
    const user = { dependencies: { kvferry: `file:${tarball}` } };
    const kvferry = { ...own, resolved: `file:${tarball}` };
    // The checkout's own exceptions from what packages ask for.
    const { overrides } = manifest;
    writeFileSync(join(directory, 'package.json'), JSON.stringify({ private: true, ...user, overrides }));
    writeFileSync(
      join(directory, 'package-lock.json'),
      lockFile({ name: 'user', own: user, packages: { 'node_modules/kvferry': kvferry, ...packages } }),
    );
    await runIn(directory, 'npm', ['ci', '--prefer-offline', '--no-audit', '--no-fund', ...args], env);
    return new Installed(directory);
  }

  /** Whether the addon was compiled here. */
  get isCompiled(): boolean {
    return existsSync(join(this.#directory, 'node_modules/kvferry/build/Release/kvferry_native.node'));
  }

  async version(): Promise<string> {
    return (await this.#kvferry('--version')).trim();
  }

  async demo(): Promise<DemoSummary> {
    const output = await this.#kvferry('demo', '--json');
    return JSON.parse(output.trimEnd().split('\n').at(-1) ?? '') as DemoSummary;
  }

  /** The names that `kvferry/client` exports. */
  async clientExports(): Promise<string[]> {
    const program = "console.log(JSON.stringify(Object.keys(await import('kvferry/client'))))";
    return JSON.parse(
      await runIn(this.#directory, process.execPath, ['--input-type=module', '--eval', program]),
    ) as string[];
  }

  /** The number of packages beside it. */
  get packages(): number {
    const record = readFileSync(join(this.#directory, 'node_modules/.package-lock.json'), 'utf8');
    return Object.keys((JSON.parse(record) as { readonly packages: object }).packages).length - 1;
  }

  /** As a user calls it: by the command that npm has linked. */
  #kvferry(...args: string[]): Promise<string> {
    return runIn(this.#directory, 'npx', ['--no-install', 'kvferry', ...args]);
  }
}
