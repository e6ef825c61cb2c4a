/** Every command line that a page shows can be typed: the command, its options and their values are accepted. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { kvferryProgram } from '../../src/cli/program.js';
import { RecordedTerminal } from '../support/recorded-terminal.js';
import { blocks, pages, prose } from './pages.js';

const scripts = JSON.parse(readFileSync('package.json', 'utf8')).scripts as Readonly<Record<string, string>>;
/** Scripts that hand their arguments to a command of kvferry. */
const COMMAND_OF_SCRIPT: Readonly<Record<string, string>> = { demo: 'demo' };

/** `npm test`, or `npm run SCRIPT`, and what follows. */
const NPM_CALL = /\bnpm (?:run (?:--silent |-s )?([a-z:]+)|test\b)(.*)/;

/** What a page shows as code, a line each, without comments; continued lines are joined. */
function shownLines(text: string): string[] {
  const inBlocks = blocks(text, 'sh', '').flatMap((block) => block.replaceAll('\\\n', ' ').split('\n'));
  const inProse = [...prose(text).matchAll(/`([^`]+)`/g)].map(([, code]) => (code as string).replaceAll('\n', ' '));
  return [...inBlocks, ...inProse].map((line) => line.replace(/\s#.*/, ''));
}

/** Words of a shell line up to the end of its command. Quotes are taken away; `…` stands for more of the same. */
function words(line: string): string[] {
  const command = line.split(/ (?:\||&&|>|2>|&)(?: |$)/)[0] as string;
  return (command.match(/'[^']*'|"[^"]*"|\S+/g) ?? [])
    .map((word) => word.replaceAll(/^['"]|['"]$/g, ''))
    .filter((word) => word !== '…');
}

/** Arguments of `name` in the line, when it begins with it (variables may come before). */
function argumentsOf(line: string, name: string): string[] | undefined {
  const call = new RegExp(`^(?:[A-Z_]+=(?:'[^']*'|\\S+) )*${name} (.*)$`).exec(line.trim());
  return call === null ? undefined : words(call[1] as string);
}

/** Why kvferry would not take these arguments, or undefined. */
function refusal(args: readonly string[]): string | undefined {
  const program = kvferryProgram(new RecordedTerminal());
  const [name = '', ...rest] = args;
  if (name.startsWith('-')) return program.options.some(({ long }) => long === name) ? undefined : `no option ${name}`;
  const command = program.commands.find((each) => each.name() === name);
  if (command === undefined) return `no command ${name}`;
  const options = rest.filter((word) => word !== '--help');
  const below = command.commands.find((each) => each.name() === rest[0]);
  try {
    const { operands, unknown } = below === undefined ? command.parseOptions(options) : parsed(command, below, options);
    const max = (below ?? command).registeredArguments.length;
    if (unknown.length > 0) return `${name} has no option ${unknown.join(' ')}`;
    return operands.length > max ? `${name} takes ${max} arguments, not ${operands.join(' ')}` : undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** A command below another one takes the options of both. */
function parsed(command: Command, below: Command, options: readonly string[]) {
  const { unknown } = command.parseOptions(options.slice(1));
  return below.parseOptions(unknown);
}

const shown = pages().flatMap(({ path: page, text }) => shownLines(text).map((line) => ({ page, line })));

test('every kvferry command line is accepted', () => {
  const calls = shown.flatMap(({ page, line }) => {
    const args = argumentsOf(line, 'kvferry');
    return args === undefined || args.length === 0 ? [] : [{ page, line, why: refusal(args) }];
  });
  expect(calls.length).toBeGreaterThan(50);
  expect(calls.filter(({ why }) => why !== undefined)).toEqual([]);
});

test('every npm script is there, and takes what it is given', () => {
  const calls = shown.flatMap(({ page, line }) => {
    const call = NPM_CALL.exec(line);
    if (call === null) return [];
    const [, script = 'test', more = ''] = call;
    if (scripts[script] === undefined) return [{ page, line, why: `no script ${script}` }];
    const command = COMMAND_OF_SCRIPT[script];
    const args = words(more);
    return [
      { page, line, why: command === undefined || args[0] !== '--' ? undefined : refusal([command, ...args.slice(1)]) },
    ];
  });
  expect(calls.length).toBeGreaterThan(20);
  expect(calls.filter(({ why }) => why !== undefined)).toEqual([]);
});

test('a wrong command line is found', () => {
  expect(refusal(['agnet'])).toBe('no command agnet');
  expect(refusal(['status', '--wiat', '1s'])).toBe('status has no option --wiat 1s');
  expect(refusal(['fault', 'prefill-0', 'stop', 'now'])).toBe('fault takes 2 arguments, not prefill-0 stop now');
  expect(refusal(['status', '--wait', 'long'])).toContain("argument 'long' is invalid");
});
