/** Loads the shipped modules with a planted defect: module customization hooks of Node. */
import { readFileSync } from 'node:fs';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type Defect, defects } from './defects.js';

interface Loaded {
  readonly format: string;
  readonly source: string;
  readonly shortCircuit: true;
}

/** From now on, in this thread. */
export function plant(defect: Defect): void {
  register(import.meta.url, { data: defect });
}

let planted: Defect | undefined;

/** Called by Node in the thread of the hooks. @public */
export function initialize(defect: Defect): void {
  planted = defect;
}

/** Called by Node for every module. @public */
export async function load<C>(
  url: string,
  context: C,
  next: (url: string, context: C) => Promise<Loaded>,
): Promise<Loaded> {
  const changes = planted === undefined ? [] : defects[planted].filter(({ module }) => url.endsWith(module));
  if (changes.length === 0) return next(url, context);
  let source = readFileSync(fileURLToPath(url), 'utf8');
  for (const { module, find, replace } of changes) {
    const found = source.split(find).length - 1;
    if (found !== 1) throw new Error(`${module} has this ${found} times, the defect ${planted} needs it once: ${find}`);
    source = source.replace(find, () => replace);
  }
  return { format: 'module', source, shortCircuit: true };
}
