// A step is up to date when the digest of what it was made from is the one it left beside its result.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Every file under the folder (or the file itself) that `accept` takes, relative to the root, in a fixed order. */
export function listFiles(root, start, accept = () => true) {
  let entries;
  try {
    entries = readdirSync(path.join(root, start), { withFileTypes: true });
  } catch (error) {
    if (error.code === 'ENOTDIR') return accept(start) ? [start] : [];
    if (error.code === 'ENOENT') return [];
    throw error;
  }
  return entries
    .flatMap((entry) => {
      const name = path.join(start, entry.name);
      if (entry.isDirectory()) return listFiles(root, name, accept);
      return accept(name) ? [name] : [];
    })
    .sort();
}

/** `facts` are whatever else the result depends on: versions, the processor. */
export function digestOf(root, files, facts = []) {
  const hash = createHash('sha256').update(JSON.stringify(facts));
  for (const name of files) hash.update(`\0${name}\0`).update(readFileSync(path.join(root, name)));
  return hash.digest('hex');
}

export function readStamp(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

export function writeStamp(file, text) {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
}
