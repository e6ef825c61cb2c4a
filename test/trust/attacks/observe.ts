/** Texts of a hostile agent on the terminal of an operator. */
import { subjects } from '../../../src/protocol/subjects.js';
import type { Attack } from '../attack.js';
import { ROGUE } from '../users.js';
import { FOREIGN_EPOCH } from './own-connection.js';

const ESC = '\u001b';
const HOSTILE = `${ESC}]0;owned\u0007${ESC}[2J\u009b31m\u202eevil`;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be printed
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/u;

/** A command of an observer who asks the hostile agent. */
function printed(name: string, ...args: readonly string[]): Attack {
  return {
    name: `escape sequences in the answers to ${name}`,
    by: ROGUE.decode,
    async run({ attacker, cluster, contained }) {
      const error = { code: 'internal', message: HOSTILE, field: HOSTILE };
      await attacker.serve(subjects.operations(ROGUE.decode), (operation) => {
        if (operation !== 'describe') return { ok: false, error };
        return {
          ...{ agent: ROGUE.decode, epoch: FOREIGN_EPOCH, role: 'decode', state: 'running', version: HOSTILE },
          ...{ heartbeatMs: 300, endpoints: [], unavailable: [{ provider: 'verbs', reason: HOSTILE }] },
        };
      });
      const output = await cluster.tool('observer', ...args);
      if (!attacker.heard.length) return `the command did not ask the agent: ${output.slice(0, 200)}`;
      contained('the text is made printable');
      const found = UNPRINTABLE.exec(output.replaceAll('\n', ' '));
      return found === null ? undefined : `U+${found[0].codePointAt(0)?.toString(16)} was printed`;
    },
  };
}

export const observe: readonly Attack[] = [
  printed('status', 'status', '--agent', ROGUE.decode),
  printed('explain', 'explain', 'key', 'k', '--agent', ROGUE.decode),
];
