/** Debian's kernel package, downloaded by apt into a directory of its own: the host's package lists stay as they are. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CannotSetUp } from './cannot-set-up.js';
import { output } from './command.js';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
/** Depends on the newest kernel of its suite. */
const META_PACKAGE = 'linux-image-amd64';

/** Downloads the newest kernel of the suite into `directory`. Returns the path of the package. */
export function downloadKernel(suite: string, directory: string): string {
  const settings = prepareApt(suite, directory);
  output('apt-get', [...settings, '-q', 'update']);
  const depends = output('apt-cache', [...settings, 'depends', META_PACKAGE]).toString();
  const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (name === undefined) throw new CannotSetUp(`${META_PACKAGE} of ${suite} depends on no kernel`);
  output('apt-get', [...settings, '-q', 'download', name], { cwd: directory });
  const file = readdirSync(directory).find((entry) => entry.startsWith(`${name}_`));
  if (file === undefined) throw new CannotSetUp(`apt-get downloaded no ${name}`);
  return join(directory, file);
}

/** The options by which apt uses only the suite, and keeps its state below `directory`. */
function prepareApt(suite: string, directory: string): string[] {
  const lists = join(directory, 'lists');
  const cache = join(directory, 'cache');
  const sources = join(directory, 'sources.list');
  mkdirSync(join(lists, 'partial'), { recursive: true });
  mkdirSync(join(cache, 'archives/partial'), { recursive: true });
  writeFileSync(sources, `deb [arch=amd64 signed-by=${KEYRING}] ${archive()} ${suite} main\n`);
  const settings = {
    'Dir::Etc::SourceList': sources,
    'Dir::Etc::SourceParts': '-',
    'Dir::State::Lists': lists,
    'Dir::Cache': cache,
    'APT::Update::Error-Mode': 'any',
    // Its user of its own could not write to a directory of ours.
    'APT::Sandbox::User': '',
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

/** Where the host gets its Debian packages. */
function archive(): string {
  const format = '$(ORIGIN) $(LABEL) $(REPO_URI)';
  const lines = output('apt-get', ['indextargets', 'Created-By: Packages', '--format', format]).toString();
  const uri = /^Debian Debian (\S+)$/m.exec(lines)?.[1];
  if (uri === undefined)
    throw new CannotSetUp("this host's apt knows no archive of Debian; run apt-get update, on Debian");
  return uri;
}
