// Compares the imports and the places of all source files with `rooms.mjs`. Dynamic imports and imports of types count too.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseSync } from 'oxc-parser';
import { LOOSE_FILES, NO_LOOSE_FILES, ROOMS } from './rooms.mjs';

const SOURCE = /\.tsx?$/;

/** The room of a file. A file without a room may import anything. */
function roomOf(file) {
  const matching = Object.keys(ROOMS).filter((room) => isIn(file, room));
  return matching.sort((a, b) => b.length - a.length)[0];
}

function isIn(file, place) {
  return file === place || file.startsWith(`${place}/`);
}

/** The imports of a module, as `{ from, isType }`. `from` is the text in the source. */
function importsOf(file, source) {
  const { module, errors } = parseSync(file, source);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0].message}`);
  const named = [...module.staticImports, ...module.staticExports].flatMap(({ moduleRequest, entries }) => {
    if (moduleRequest !== undefined) return [{ from: moduleRequest.value, isType: allTypes(entries) }];
    const sources = entries.filter((entry) => entry.moduleRequest);
    return sources.map((entry) => ({ from: entry.moduleRequest.value, isType: entry.isType }));
  });
  const dynamic = module.dynamicImports.map(({ moduleRequest: { start, end } }) => source.slice(start, end));
  const known = dynamic.filter((text) => /^['"][^'"]*['"]$/.test(text));
  return [...named, ...known.map((text) => ({ from: text.slice(1, -1), isType: false }))];
}

function allTypes(entries) {
  return entries.length > 0 && entries.every((entry) => entry.isType);
}

/** The complaint about a forbidden import, or undefined for an allowed one. */
function complaintAbout(file, { from, isType }) {
  const room = roomOf(file);
  if (room === undefined) return undefined;
  const { rooms, packages, typesOnly, why } = ROOMS[room];
  const refuse = (what) => `${file}: ${room} must not import ${what} (${why})`;
  if (!from.startsWith('.')) {
    if (packages === undefined) return undefined;
    return packages.some((name) => isIn(from, name)) ? undefined : refuse(from);
  }
  const target = path.posix.join(path.posix.dirname(file), from).replace(/\.js$/, '.ts');
  if (roomOf(target) === room) return undefined;
  const isForbidden = rooms.some((name) => name.startsWith('!') && isIn(target, name.slice(1)));
  if (isForbidden || !rooms.some((name) => isIn(target, name))) return refuse(target);
  return typesOnly && !isType ? refuse(`more than types of ${target}`) : undefined;
}

/** Complaints about these files, one for each forbidden import and each misplaced file. `read` returns the text of a file. */
export function complaints(files, read) {
  const misplaced = files.filter((file) => NO_LOOSE_FILES.includes(path.posix.dirname(file)) && !LOOSE_FILES.has(file));
  const imports = files.filter((file) => SOURCE.test(file) && roomOf(file) !== undefined);
  return [
    ...misplaced.map((file) => `${file}: move it into a subfolder of ${path.posix.dirname(file)}`),
    ...imports.flatMap((file) => importsOf(file, read(file)).map((one) => complaintAbout(file, one))),
  ].filter((complaint) => complaint !== undefined);
}

export function readIn(root) {
  return (file) => readFileSync(path.join(root, file), 'utf8');
}
