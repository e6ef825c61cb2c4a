/**
 * The images that the cluster is made of: those of docker-compose.yml, or, where no registry answers, images made here from Debian's
 * packages. Grafana is no package of Debian, so it runs only with a registry.
 */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { archiveAddress } from '../debian/archive.js';
import { CannotSetUp } from '../debian/cannot-set-up.js';
import type { Engine } from './engine.js';
import { requirePrograms } from './requirements.js';
import { mustRun, runProgram } from './run-program.js';

const PULL_MINUTES = 0.5;
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

export interface Images {
  readonly from: 'registry' | 'debian';
  /** Variables of docker-compose.yml. */
  readonly variables: Readonly<Record<string, string>>;
}

export interface ImagesOptions {
  readonly engine: Engine;
  /** Root of the repository. */
  readonly root: string;
  /** The images that docker-compose.yml names. */
  readonly named: readonly string[];
  /** For what is unpacked on the way. */
  readonly directory: string;
  readonly isCachedOnly: boolean;
  readonly say: (line: string) => void;
}

/** Rejects `CannotSetUp`. */
export async function provideImages(options: ImagesOptions): Promise<Images> {
  const { engine, named, isCachedOnly, say } = options;
  const tags = tagsOf(debianSuite());
  const variables = { BASE_IMAGE: tags.node, NATS_IMAGE: tags.nats, PROMETHEUS_IMAGE: tags.prometheus };
  if (await haveAll(engine, named)) return { from: 'registry', variables: {} };
  if (await haveAll(engine, Object.values(variables))) return { from: 'debian', variables };
  if (isCachedOnly) {
    throw new CannotSetUp(
      'the images are not there, and KVFERRY_CACHED_ONLY=1 allows no download: npm run test:compose',
    );
  }
  if (await pullAll(options)) return { from: 'registry', variables: {} };
  say('no registry answers: making images from packages of Debian');
  await makeImages(options, tags);
  return { from: 'debian', variables };
}

function tagsOf(suite: string) {
  const tag = (name: string) => `kvferry-test/${name}`;
  return {
    debian: tag(`debian:${suite}`),
    node: tag(`node:${process.versions.node}-${suite}`),
    nats: tag(`nats:${suite}`),
    prometheus: tag(`prometheus:${suite}`),
  };
}

async function haveAll(engine: Engine, images: readonly string[]): Promise<boolean> {
  return (await engine.tryDocker(['image', 'inspect', ...images])).status === 0;
}

/** False when no registry has sent the first image within half a minute. */
async function pullAll({ engine, named, say }: ImagesOptions): Promise<boolean> {
  const [first = '', ...others] = named;
  const { status } = await engine.tryDocker(['pull', '--quiet', first], { minutes: PULL_MINUTES });
  if (status !== 0) return false;
  for (const image of others) {
    say(`pulling ${image}`);
    await engine.docker(['pull', '--quiet', image]);
  }
  return true;
}

async function makeImages(options: ImagesOptions, tags: ReturnType<typeof tagsOf>): Promise<void> {
  const { engine, say } = options;
  requirePrograms(['debootstrap']);
  const work = mkdtempSync(join(options.directory, 'images-'));
  try {
    if (!(await haveAll(engine, [tags.debian]))) {
      say(`installing Debian ${debianSuite()} by debootstrap`);
      await importDebian(engine, work, tags.debian);
    }
    const context = join(work, 'context');
    await fillContext(context);
    for (const name of ['node', 'nats', 'prometheus'] as const) {
      say(`building ${tags[name]}`);
      const dockerfile = join(options.root, `scripts/compose/images/${name}.Dockerfile`);
      const names = ['--file', dockerfile, '--tag', tags[name], '--build-arg', `DEBIAN=${tags.debian}`];
      await engine.docker(['build', '--quiet', '--network', 'host', ...names, context]);
    }
  } catch (error) {
    throw new CannotSetUp((error as Error).message);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function importDebian(engine: Engine, work: string, tag: string): Promise<void> {
  const tree = join(work, 'debian');
  const file = join(work, 'debian.tar');
  const suite = ['--variant=minbase', '--include=ca-certificates', debianSuite()];
  await mustRun('debootstrap', [...suite, tree, archiveAddress()], { minutes: 15 });
  await mustRun('tar', ['-C', tree, '-cf', file, '.']);
  await engine.docker(['import', file, tag]);
}

/** Node with npm and its headers as they are below /usr/local, and what npm needs to reach its registry. */
async function fillContext(context: string): Promise<void> {
  const local = join(context, 'local');
  const node = realpathSync(process.execPath);
  const prefix = dirname(dirname(node));
  for (const folder of ['bin', 'etc', 'include', 'lib/node_modules'])
    mkdirSync(join(local, folder), { recursive: true });
  cpSync(node, join(local, 'bin/node'));
  for (const folder of ['lib/node_modules/npm', 'include/node']) {
    cpSync(join(prefix, folder), join(local, folder), { recursive: true, verbatimSymlinks: true });
  }
  for (const name of ['npm', 'npx'])
    symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, join(local, 'bin', name));
  const { stdout: registry } = await runProgram('npm', ['config', 'get', 'registry']);
  writeFileSync(join(local, 'etc/npmrc'), `cafile=${CERTIFICATES}\nregistry=${registry.trim()}\n`);
  cpSync(realpathSync(CERTIFICATES), join(context, 'certificates.crt'));
}

/** Such as `bookworm`: that of the host, whose Node runs in the images. */
function debianSuite(): string {
  const suite = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  if (suite === undefined) throw new CannotSetUp('/etc/os-release names no suite of Debian');
  return suite;
}
