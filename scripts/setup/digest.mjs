// A step stores the digest of its inputs (a "stamp") beside its result. The step is up to date while the digest is the same.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** The files below the folder `start` that `accept` accepts, or `start` itself if it is a file. Sorted, relative to the root. */
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

/** `facts` are further inputs of the result, such as versions and the processor. */
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
