// Code that decides reads time and chance from its ports alone, or a recording of them could not be replayed. Imports are
// checked by `rooms.mjs`; these are the globals that need no import.
import { parseSync, Visitor } from 'oxc-parser';

const PURE = /^(machines|src\/(store|actors|protocol|ports))\/.*\.ts$/;
const FORBIDDEN_CALLS = new Set(['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'fetch']);
const FORBIDDEN_OBJECTS = new Set(['Date', 'performance', 'process', 'crypto']);

/** The places in pure files that read time, chance or the process. `read` gives a file's text. */
export function complaintsAboutPurity(files, read) {
  return files.filter((file) => PURE.test(file)).flatMap((file) => impureIn(file, read(file)));
}

function impureIn(file, source) {
  const found = [];
  const complain = (node, what) => {
    const line = source.slice(0, node.start).split('\n').length;
    found.push(`${file}:${line}: ${what} is not for pure code; use a port`);
  };
  new Visitor({
    CallExpression(node) {
      if (node.callee.type === 'Identifier' && FORBIDDEN_CALLS.has(node.callee.name)) complain(node, node.callee.name);
    },
    NewExpression(node) {
      if (node.callee.type === 'Identifier' && node.callee.name === 'Date') complain(node, 'new Date');
    },
    MemberExpression(node) {
      if (node.object.type !== 'Identifier') return;
      const { name } = node.object;
      const isRandom = name === 'Math' && node.property.name === 'random';
      if (isRandom || FORBIDDEN_OBJECTS.has(name)) complain(node, `${name}.${node.property.name ?? ''}`);
    },
  }).visit(parseSync(file, source).program);
  return found;
}
