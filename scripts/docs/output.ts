/** Writes generated files. With `--check` it only reports which of them would change. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface GeneratedFile {
  /** Path relative to the root of the repository. */
  readonly path: string;
  readonly text: string;
}

/** Sets exit status 1 if `--check` is among the arguments and a file differs from the generated text. */
export async function writeGenerated(files: readonly GeneratedFile[], args: readonly string[]): Promise<void> {
  const check = args.includes('--check');
  for (const { path, text } of files) {
    if ((await readIfThere(path)) === text) continue;
    if (check) {
      console.error(`${path} is out of date; update it with: npm run docs`);
      process.exitCode = 1;
    } else {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text);
      console.log(`wrote ${path}`);
    }
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
