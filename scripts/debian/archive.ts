/** One suite of the archive from which this host gets its Debian packages. apt's own lists stay as they are. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CannotSetUp } from './cannot-set-up.js';
import { output } from './command.js';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

export class Archive {
  readonly #directory: string;
  readonly #settings: readonly string[];

  /** Fetches the list of packages. `directory` keeps it, and the packages. Throws `CannotSetUp`. */
  constructor(suite: string, directory: string) {
    this.#directory = directory;
    this.#settings = prepareApt(suite, directory);
    output('apt-get', [...this.#settings, '-q', 'update']);
  }

  /** What apt-cache prints about the dependencies of the package. */
  dependencies(name: string): string {
    return output('apt-cache', [...this.#settings, 'depends', name]).toString();
  }

  /** Downloads the newest version of the package, and returns the path of its file. */
  download(name: string): string {
    output('apt-get', [...this.#settings, '-q', 'download', name], { cwd: this.#directory });
    const file = readdirSync(this.#directory).find((entry) => entry.startsWith(`${name}_`));
    if (file === undefined) throw new CannotSetUp(`apt-get downloaded no ${name}`);
    return join(this.#directory, file);
  }
}

/** Where the host gets its Debian packages. Throws `CannotSetUp` on a host that is not Debian. */
export function archiveAddress(): string {
  const format = '$(ORIGIN) $(LABEL) $(REPO_URI)';
  const lines = output('apt-get', ['indextargets', 'Created-By: Packages', '--format', format]).toString();
  const uri = /^Debian Debian (\S+)$/m.exec(lines)?.[1];
  if (uri === undefined)
    throw new CannotSetUp("this host's apt knows no archive of Debian; run apt-get update, on Debian");
  return uri;
}

/** The options by which apt uses only the suite, and keeps its state below `directory`. */
function prepareApt(suite: string, directory: string): string[] {
  const lists = join(directory, 'lists');
  const cache = join(directory, 'cache');
  const sources = join(directory, 'sources.list');
  const architecture = output('dpkg', ['--print-architecture']).toString().trim();
  mkdirSync(join(lists, 'partial'), { recursive: true });
  mkdirSync(join(cache, 'archives/partial'), { recursive: true });
  writeFileSync(sources, `deb [arch=${architecture} signed-by=${KEYRING}] ${archiveAddress()} ${suite} main\n`);
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
