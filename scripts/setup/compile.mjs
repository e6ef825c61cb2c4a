// TypeScript to dist/, when a source has changed, and beside it the files that the compiler does not copy. The compiled
// program becomes a command of this checkout.
import { cpSync, rmSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { digestOf, listFiles, readStamp, writeStamp } from './digest.mjs';
import { linkCommands } from './link-command.mjs';
import { begin, showDetails } from './report.mjs';
import { run } from './run.mjs';

const isSource = (name) => /\.tsx?$/.test(name);
/** The projects to compile: one for Node, one for the browser. */
const PROJECTS = ['tsconfig.build.json', 'src/observe/inspector/page/tsconfig.json'];
/** Files of the inspector's page that are not compiled. */
const isAsset = (name) => /\.(html|css|js|mjs|svg|png|ico|woff2)$/.test(name);

export async function compileTypeScript(root) {
  const sources = ['machines', 'src'].flatMap((folder) => listFiles(root, folder, isSource));
  const assets = listFiles(root, 'src', isAsset);
  const stampFile = path.join(root, 'dist/.kvferry-sources');
  const settings = ['tsconfig.json', ...PROJECTS, 'package-lock.json'];
  const digest = digestOf(root, [...settings, ...sources, ...assets]);
  const [stamp, ...before] = (readStamp(stampFile) ?? '').split('\n');
  if (stamp === digest) {
    linkCommands(root);
    return true;
  }

  const end = begin('compiling TypeScript');
  // The compiler never removes its old output. Without this, a deleted module could still be imported.
  const present = new Set([...sources, ...assets]);
  if (before.some((name) => !present.has(name))) rmSync(path.join(root, 'dist'), { recursive: true, force: true });
  const compiler = path.join(root, 'node_modules/typescript/bin/tsc');
  let result = { ok: true, output: '' };
  for (const project of PROJECTS) {
    if (result.ok) result = await run(process.execPath, [compiler, '-p', project], { cwd: root });
  }
  if (!result.ok) {
    end('failed');
    showDetails(result.output);
    // The compiler may have written part of its output. The next run needs this list of sources to remove old output.
    writeStamp(stampFile, ['unfinished', ...present].join('\n'));
    return false;
  }
  for (const name of assets) cpSync(path.join(root, name), path.join(root, 'dist', name));
  linkCommands(root);
  writeStamp(stampFile, [digest, ...present].join('\n'));
  end();
  return true;
}
