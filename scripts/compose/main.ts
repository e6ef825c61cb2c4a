/** `npm run test:compose`: brings docker-compose.yml up on a Docker engine of its own, disturbs it, and takes it down. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Command } from 'commander';
import { processInterrupts } from '../../src/cli/interrupts.js';
import { EXIT_FAILURE, processTerminal } from '../../src/cli/terminal.js';
import { cacheDirectory } from '../debian/cache-directory.js';
import { CannotSetUp } from '../debian/cannot-set-up.js';
import { Cluster, namedImages, PROJECT } from './cluster.js';
import { Engine, type EngineOptions } from './engine.js';
import { hostState, leftovers } from './host-state.js';
import { type Images, provideImages } from './images.js';
import { installPlugins } from './plugins.js';
import { requireHost } from './requirements.js';
import { runScenario } from './scenario.js';
import { Findings, type Summary } from './summary.js';

const EXIT_CANNOT_SET_UP = 2;
/** The services that `up` builds. */
const BUILT = ['keys', 'prefill', 'decode'] as const;
/** What builds need here, beside docker-compose.yml. */
const OVERRIDE = `services: { ${BUILT.map((name) => `${name}: { build: { network: host } }`).join(', ')} }\n`;

interface Flags {
  readonly json?: true;
}

const root = process.cwd();
const terminal = processTerminal();

await new Command('test:compose')
  .description('Bring docker-compose.yml up on a Docker engine of its own, disturb it, and take it down again.')
  .option('--json', 'print the result as one JSON object on the last line')
  .action(main)
  .parseAsync();

async function main(flags: Flags): Promise<void> {
  const say = (line: string) => (flags.json ? terminal.err : terminal.out)(`test:compose: ${line}`);
  const interrupts = processInterrupts();
  try {
    requireHost();
    const cache = cacheDirectory('compose');
    if (process.env['KVFERRY_CACHED_ONLY'] === '1' && !existsSync(cache)) {
      throw new CannotSetUp(
        `${cache} is not there, and KVFERRY_CACHED_ONLY=1 allows no download: npm run test:compose makes it`,
      );
    }
    mkdirSync(cache, { recursive: true });
    const summary = await withLock(cache, () => run(cache, say, interrupts.signal));
    for (const what of summary.broken) say(`broken: ${what}`);
    if (flags.json) terminal.out(JSON.stringify(summary));
    if (summary.broken.length > 0) terminal.exitCode = EXIT_FAILURE;
  } catch (error) {
    const cannotSetUp = error instanceof CannotSetUp;
    if (!cannotSetUp && !interrupts.signal.aborted) throw error;
    terminal.err(`test:compose ${cannotSetUp ? 'cannot be set up' : 'did not finish'}: ${(error as Error).message}`);
    terminal.exitCode = cannotSetUp ? EXIT_CANNOT_SET_UP : EXIT_FAILURE;
  } finally {
    interrupts.dispose();
  }
}

/** Two runs at the same time would use one cache. */
async function withLock<T>(cache: string, body: () => Promise<T>): Promise<T> {
  const file = pathToFileURL(join(root, 'scripts/setup/lock.mjs')).href;
  const lock = (await import(file)) as { withLock<R>(root: string, body: () => Promise<R>, what: string): Promise<R> };
  return lock.withLock(cache, body, 'the Docker engine of test:compose');
}

async function run(cache: string, say: (line: string) => void, signal: AbortSignal): Promise<Summary> {
  const startMs = performance.now();
  const directory = mkdtempSync(join(tmpdir(), 'kvferry-compose-'));
  const configuration = join(cache, 'client');
  const shared = { dataRoot: join(cache, 'engine'), directory, configuration, signal };
  const places = [directory, shared.dataRoot];
  const findings = new Findings();
  const before = await hostState(places);
  let images: Images;
  try {
    const override = join(directory, 'override.yml');
    writeFileSync(override, OVERRIDE);
    await installPlugins(configuration, say);
    await finish(shared, override);
    images = await buildAll(shared, override, say);
    await runAll(shared, override, images, findings, say);
    findings.leftovers = leftovers(before, await hostState(places, [...findings.names]));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return findings.summary(images.from, Math.round((performance.now() - startMs) / 1000));
}

type Shared = Omit<EngineOptions, 'network'>;

/** While it is there, the engine has containers and networks of a run that has not ended. */
function markOf({ dataRoot }: Shared): string {
  return join(dataRoot, 'kvferry-test-runs');
}

/** Removes what an interrupted run has left. Otherwise an engine in the network of the host would make its bridges there. */
async function finish(shared: Shared, override: string): Promise<void> {
  if (!existsSync(markOf(shared))) return;
  const engine = await Engine.start({ ...shared, network: 'own' });
  try {
    await new Cluster({ engine, root, override, variables: {} }).down('--remove-orphans');
    rmSync(markOf(shared));
  } finally {
    await engine.stop();
  }
}

/** Makes or downloads the images, and builds that of kvferry, in the network of the host. */
async function buildAll(shared: Shared, override: string, say: (line: string) => void): Promise<Images> {
  const engine = await Engine.start({ ...shared, network: 'host' });
  try {
    const named = await namedImages(root, shared.configuration);
    const isCachedOnly = process.env['KVFERRY_CACHED_ONLY'] === '1';
    const images = await provideImages({ engine, root, named, directory: shared.directory, isCachedOnly, say });
    say('building the image of kvferry');
    await new Cluster({ engine, root, override, variables: variablesOf(images) }).compose('build', ...BUILT);
    return images;
  } finally {
    await engine.stop();
  }
}

/** A step that fails ends the scenario, and is one of the findings. */
async function runAll(
  shared: Shared,
  override: string,
  images: Images,
  findings: Findings,
  say: (line: string) => void,
): Promise<void> {
  const engine = await Engine.start({ ...shared, network: 'own' });
  const cluster = new Cluster({ engine, root, override, variables: variablesOf(images) });
  writeFileSync(markOf(shared), '');
  try {
    await runScenario({ cluster, findings, hasGrafana: images.from === 'registry', root, say });
    rmSync(markOf(shared));
  } catch (error) {
    if (shared.signal.aborted) throw error;
    for (const line of (await logsOf(cluster)).split('\n')) say(line);
    findings.expect(false, (error as Error).message);
    await cluster.down('--remove-orphans');
    rmSync(markOf(shared));
  } finally {
    await engine.stop();
  }
}

async function logsOf(cluster: Cluster): Promise<string> {
  return cluster.compose('--profile', '*', 'logs', '--no-color', '--tail', '20').catch(() => '');
}

function variablesOf({ variables }: Images): Record<string, string> {
  return { ...variables, KVFERRY_IMAGE: `${PROJECT}/kvferry:latest` };
}
