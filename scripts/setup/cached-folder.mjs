// Folders of tools that are made once and kept in ~/.cache/kvferry. The name of a folder has a digest of the files that its content
// depends on, so a change of one of them makes a new folder.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { withLock } from './lock.mjs';
import { run } from './run.mjs';

/** Why a folder cannot be made on this host, in one line. */
export class CannotSetUp extends Error {
  name = 'CannotSetUp';
}

/** Where kvferry keeps what it downloads and compiles for tests. */
function cacheHome() {
  return path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'kvferry');
}

/** Twelve hexadecimal digits for the content of these files. */
export function contentDigest(files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest('hex').slice(0, 12);
}

/**
 * Path of the folder `<prefix>-<digest of the ingredients>`. If it is not there, `make(work)` fills the folder `work`, which gets that
 * name when it is complete. Throws `CannotSetUp` when the folder is not there and `KVFERRY_CACHED_ONLY` is 1. `maker` is the
 * command that makes the folder.
 */
export async function cachedFolder({ prefix, ingredients, maker, make }) {
  const home = cacheHome();
  const folder = path.join(home, `${prefix}-${contentDigest(ingredients)}`);
  mkdirSync(home, { recursive: true });
  // Two runs at the same time make one folder.
  const making = async () => {
    if (existsSync(folder)) return;
    if (process.env.KVFERRY_CACHED_ONLY === '1') {
      throw new CannotSetUp(`${folder} is not there, and KVFERRY_CACHED_ONLY=1 allows no download: ${maker} makes it`);
    }
    await complete(folder, make);
  };
  await withLock(home, making, folder);
  return folder;
}

/** Makes a folder under another name first, so that a folder with the final name is complete. */
export async function complete(folder, make) {
  const work = `${folder}.work`;
  // Left by a run that was killed.
  rmSync(work, { recursive: true, force: true });
  try {
    await make(work);
    renameSync(work, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Runs a command. If it fails, throws `CannotSetUp` with the first error that it printed and its last line. */
export async function must(command, args) {
  const { ok, output } = await run(command, args);
  if (ok) return;
  const lines = output.trim().split('\n');
  // Package managers name the failure first, and its cause last.
  const reasons = new Set([lines.find((line) => /error/i.test(line)) ?? '', lines.at(-1)].map((line) => line.trim()));
  const reason = [...reasons].filter((line) => line !== '').join('; ');
  throw new CannotSetUp(`${path.basename(command)} ${args.slice(0, 4).join(' ')} failed: ${reason}`);
}
