// Where the headers of the running Node are. With them node-gyp downloads nothing. The package has this file too.
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';

/** The prefix whose include/node has the headers of the running Node, or undefined when Node was installed without headers. */
export function findNodeHeaders() {
  const prefix = path.dirname(path.dirname(realpathSync(process.execPath)));
  const file = path.join(prefix, 'include/node/node_version.h');
  if (!existsSync(file)) return undefined;
  // With the headers of another version the addon would compile, and Node might even load it and crash.
  const major = /#define NODE_MAJOR_VERSION (\d+)/.exec(readFileSync(file, 'utf8'))?.[1];
  return major === process.versions.node.split('.')[0] ? prefix : undefined;
}

/**
 * What to pass to node-gyp. Without the headers it looks at npm's `nodedir` setting, then in its cache, then in the network.
 */
export function nodeDirArguments() {
  const headers = findNodeHeaders();
  return headers === undefined ? [] : [`--nodedir=${headers}`];
}
