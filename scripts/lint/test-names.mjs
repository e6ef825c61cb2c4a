// The names of tests: `condition → result`, complete without the name of the suite, in a length that a terminal shows.
import { parseSync, Visitor } from 'oxc-parser';

const NAME_CHARACTERS_MIN = 15;
const NAME_CHARACTERS_MAX = 80;
const FUNCTIONS = new Set(['test', 'it']);

/** Every test that a module declares: `{ called, name }`. The name is undefined when it is an expression. */
export function testsIn(file, source) {
  const { program, errors } = parseSync(file, source);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0].message}`);
  const tests = [];
  new Visitor({
    CallExpression({ callee, arguments: [first, second] }) {
      const called = functionOf(callee);
      // `test.skipIf(condition)` and `test.each(rows)` only make the function that declares a test.
      if (called !== undefined && second !== undefined) tests.push({ called, name: textOf(first, source) });
    },
  }).visit(program);
  return tests;
}

/** `test` of `test`, `test.each(rows)` and `test.skipIf(condition).each(rows)`; undefined for any other function. */
function functionOf(callee) {
  if (callee.type === 'Identifier') return FUNCTIONS.has(callee.name) ? callee.name : undefined;
  if (callee.type === 'MemberExpression') return functionOf(callee.object);
  if (callee.type === 'CallExpression') return functionOf(callee.callee);
  return undefined;
}

function textOf(node, source) {
  if (node.type === 'Literal' && typeof node.value === 'string') return node.value;
  if (node.type === 'TemplateLiteral') return source.slice(node.start + 1, node.end - 1);
  return undefined;
}

/** Everything that is wrong with the tests of these files. `read` gives a file's text. */
export function complaintsAboutTests(files, read) {
  return files.filter(isTestFile).flatMap((file) => {
    const tests = testsIn(file, read(file));
    const names = tests.flatMap(({ name }) => name ?? []);
    const complain = (name, what) => `${file}: the test name "${name}" ${what}`;
    return [
      ...tests
        .filter(({ called }) => called === 'it')
        .map(({ name }) => complain(name, 'belongs to it(): write test()')),
      ...names.flatMap((name) => {
        if (name.length > NAME_CHARACTERS_MAX)
          return [complain(name, `has more than ${NAME_CHARACTERS_MAX} characters`)];
        if (name.length < NAME_CHARACTERS_MIN)
          return [complain(name, `has fewer than ${NAME_CHARACTERS_MIN} characters`)];
        return [];
      }),
      ...names.filter((name, index) => names.indexOf(name) !== index).map((name) => complain(name, 'is there twice')),
    ];
  });
}

const isTestFile = (file) => file.startsWith('test/') && file.endsWith('.ts');
