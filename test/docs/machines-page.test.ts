import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { AnyStateMachine, AnyStateNode } from 'xstate';
import { machinesIn } from '../../scripts/docs/machines-in.js';

const page = await readFile(new URL('../../machines/README.md', import.meta.url), 'utf8');
const machines = await machinesIn(fileURLToPath(new URL('../../machines', import.meta.url)));

function section(name: string): string {
  const start = page.indexOf(`\n## ${name}\n`);
  if (start < 0) throw new Error(`machines/README.md has no section ${name}`);
  const end = page.indexOf('\n## ', start + 1);
  return end < 0 ? page.slice(start) : page.slice(start, end);
}

/** Who sends what to whom. */
const events = section('Who sends what to whom');

function statesOf(node: AnyStateNode): string[] {
  return Object.values(node.states).flatMap((child) => [child.key, ...statesOf(child)]);
}

function eventsOf(machine: AnyStateMachine): string[] {
  return machine.events.filter((event) => event !== '' && !event.startsWith('xstate.'));
}

/** First column of the table with this heading. */
function listed(text: string, heading: string): string[] {
  const table = new RegExp(`^\\| ${heading} \\|[^\\n]*\\n\\|[-|]+\\n((?:\\|[^\\n]*\\n?)*)`, 'm').exec(text)?.[1] ?? '';
  return [...table.matchAll(/^\| `([^`]+)`/gm)].map(([, name]) => name as string);
}

describe.each([...machines])('machines/README.md on %s', (name, machine) => {
  const text = section(name);

  test('its table of states has the states of the machine', () => {
    expect(listed(text, 'state').sort()).toEqual(statesOf(machine.root).sort());
  });

  test('the tables of events name each of its events', () => {
    const named = eventsOf(machine).filter((event) => !event.endsWith('.*'));
    expect(named.filter((event) => !events.includes(`\`${event}\``))).toEqual([]);
  });

  test('it shows the drawing', () => {
    expect(text).toContain(`![The ${name} machine](../docs/machines/${name}.svg)`);
  });
});

test('what machines/README.md says of events, states and effects exists', () => {
  const known = new Set(
    [...machines.values()].flatMap((machine) => [
      ...eventsOf(machine),
      ...statesOf(machine.root),
      ...Object.keys(machine.implementations.actions),
      ...Object.keys(machine.implementations.guards),
      ...Object.keys(machine.implementations.delays),
    ]),
  );
  // `receiver.lost`, `sendAbort`: dotted names are events, names with a capital inside are effects, guards or delays.
  const named = [...page.matchAll(/`([a-z]+\.[a-z*-]+|[a-z]+[A-Z][A-Za-z]*)`/g)].map(([, name]) => name as string);
  expect(named.filter((name) => !known.has(name))).toEqual([]);
});
