// `node_modules/.bin/kvferry`: the compiled program as a command, where npm puts the commands of other packages.
import { chmodSync, readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';

const EXECUTABLE = 0o755;

/** For every `bin` in package.json; npm links the commands of dependencies only, never the package's own. */
export function linkCommands(root) {
  const { bin } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const folder = path.join(root, 'node_modules/.bin');
  for (const [name, program] of Object.entries(bin)) {
    const target = path.relative(folder, path.join(root, program));
    const link = path.join(folder, name);
    chmodSync(path.join(root, program), EXECUTABLE);
    if (linkTarget(link) === target) continue;
    rmSync(link, { force: true });
    symlinkSync(target, link);
  }
}

/** Undefined when there is no such link. */
function linkTarget(link) {
  try {
    return readlinkSync(link);
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'EINVAL') return undefined;
    throw error;
  }
}
