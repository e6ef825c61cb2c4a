/** `npm run test:package`: packs, looks at what is packed, installs it into empty folders, and runs it there. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { EXIT_FAILURE, processTerminal } from '../../src/cli/terminal.js';
import { type DemoSummary, Installed } from './installed.js';
import { runIn } from './npm.js';
import { pack, unpack } from './pack.js';
import { unwantedFiles } from './unwanted-files.js';

interface PackageSummary {
  readonly version: string;
  readonly files: number;
  readonly bytes: number;
  readonly sha256: string;
  /** Systems for which the package has a compiled addon. */
  readonly prebuilt: readonly string[];
  /** Packages that come with it, and with its client alone. */
  readonly packages: number;
  readonly clientPackages: number;
  /** With the addon of the package, and with one that the installation has compiled. */
  readonly demo: DemoSummary;
  readonly compiledDemo: DemoSummary;
  readonly sbomComponents: number;
  readonly broken: readonly string[];
  readonly seconds: number;
}

const terminal = processTerminal();
await new Command('test:package')
  .description('Pack, install into empty folders, and run the command, the demo and the client from there.')
  .option('--json', 'print the result as one JSON object on the last line')
  .action(async ({ json }: { readonly json?: true }) => {
    const say = json ? terminal.err : terminal.out;
    const directory = mkdtempSync(join(tmpdir(), 'kvferry-package-'));
    try {
      const summary = await check(process.cwd(), directory, say);
      for (const what of summary.broken) say(`broken: ${what}`);
      terminal.out(json ? JSON.stringify(summary) : `${summary.files} files, ${summary.broken.length} faults`);
      if (summary.broken.length > 0) terminal.exitCode = EXIT_FAILURE;
    } finally {
      rmSync(directory, { recursive: true });
    }
  })
  .parseAsync();

async function check(root: string, directory: string, say: (line: string) => void): Promise<PackageSummary> {
  const startedMs = performance.now();
  say('packing twice');
  const packed = await pack(root, join(directory, 'pack'));
  const again = await pack(root, join(directory, 'pack-again'));
  const files = await unpack(packed, join(directory, 'files'));
  const { version, dependencies, optionalDependencies } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  ) as {
    readonly version: string;
    readonly dependencies: Readonly<Record<string, string>>;
    readonly optionalDependencies: Readonly<Record<string, string>>;
  };
  const needed = Object.keys({ ...dependencies, ...optionalDependencies });
  const { tarball, bytes, sha256 } = packed;

  say('installing it, and running the demo');
  const installed = await Installed.from(root, tarball, join(directory, 'installed'));
  const found = await installed.version();
  const demo = await installed.demo();

  say('installing it without the addon that it brings, and running the demo');
  const compiled = await Installed.from(root, tarball, join(directory, 'compiled'), {
    env: { npm_config_build_from_source: 'true' },
  });
  const compiledDemo = await compiled.demo();

  say('installing its client alone');
  const client = await Installed.from(root, tarball, join(directory, 'client'), { args: ['--omit=optional'] });
  const exported = await client.clientExports();

  say('listing its components');
  const components = await componentsOf(root);
  const faults = {
    'two packs of one checkout differ': again.sha256 !== sha256,
    'kvferry --version is not that of the package': found !== version,
    'the first installation has compiled the addon': installed.isCompiled,
    'the second installation has not compiled the addon': !compiled.isCompiled,
    'the client alone has compiled the addon': client.isCompiled,
    'kvferry/client does not export connectClient': !exported.includes('connectClient'),
    'the list of components lacks a dependency': needed.some((name) => !components.includes(name)),
    'the list of components has what only development needs': components.includes('typescript'),
  };
  return {
    ...{ version, files: files.length, bytes, sha256 },
    prebuilt: files.flatMap(({ name }) => /^prebuilds\/([^/]+)\//.exec(name)?.[1] ?? []),
    ...{ packages: installed.packages, clientPackages: client.packages },
    ...{ demo, compiledDemo, sbomComponents: components.length },
    broken: [...unwantedFiles(files, root), ...Object.entries(faults).flatMap(([what, isSo]) => (isSo ? [what] : []))],
    seconds: Math.round((performance.now() - startedMs) / 1000),
  };
}

/** Names of the packages that `npm run sbom` lists. */
async function componentsOf(root: string): Promise<string[]> {
  const bill = JSON.parse(await runIn(root, 'npm', ['run', '--silent', 'sbom'])) as {
    readonly components: readonly { readonly group?: string; readonly name: string }[];
  };
  return bill.components.map(({ group, name }) => (group === undefined ? name : `${group}/${name}`));
}
