/** Asks a Node program of ours, over its channel, and waits for the one answer. One question at a time. */
import { once } from 'node:events';
import type { ChildProcess } from '../../src/processes/child-process.js';
import { within } from '../../src/processes/within.js';
import { KvferryError } from '../../src/protocol/errors.js';

/** Rejects when it answers that it failed, when it ends, or after `timeoutMs`. */
export async function ask<Answer>(program: ChildProcess, question: object, timeoutMs: number): Promise<Answer> {
  const answered = once(program.process, 'message');
  program.process.send(question);
  const late = `${program.name} did not answer within ${timeoutMs} ms`;
  const [reply] = (await within(timeoutMs, late, Promise.race([answered, program.failure()]))) as [
    { ok: true; answer: Answer } | { ok: false; message: string },
  ];
  if (reply.ok) return reply.answer;
  throw new KvferryError('internal', `${program.name}: ${reply.message}`);
}
