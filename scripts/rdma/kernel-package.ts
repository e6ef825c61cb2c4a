/** Debian's kernel package. */
import { Archive } from '../debian/archive.js';
import { CannotSetUp } from '../debian/cannot-set-up.js';

/** Depends on the newest kernel of its suite. */
const META_PACKAGE = 'linux-image-amd64';

/** Downloads the newest kernel of the suite into `directory`. Returns the path of the package. */
export function downloadKernel(suite: string, directory: string): string {
  const archive = new Archive(suite, directory);
  const name = /Depends: (linux-image-\S+)/.exec(archive.dependencies(META_PACKAGE))?.[1];
  if (name === undefined) throw new CannotSetUp(`${META_PACKAGE} of ${suite} depends on no kernel`);
  return archive.download(name);
}
