/** Tries of an attacker that must all be refused. */
import type { Attacker } from '../attacker.js';

export type Try = readonly [subject: string, body: Readonly<Record<string, unknown>>];

/** Asks one after the other. Resolves with those that were not refused. */
export async function notRefused(attacker: Attacker, ...tries: readonly Try[]): Promise<string | undefined> {
  const effects: string[] = [];
  for (const [subject, body] of tries) {
    const answer = await attacker.ask(subject, body);
    if (answer.kind === 'accepted') effects.push(`${subject} was accepted`);
    if (answer.kind === 'silence') effects.push(`${subject} was neither refused nor answered`);
  }
  return effects.length === 0 ? undefined : effects.join('; ');
}

/** Subscribes to all of them, lets `work` go on, and resolves with what was received. */
export async function overheard(
  attacker: Attacker,
  subjects: readonly string[],
  work: () => Promise<unknown>,
): Promise<string | undefined> {
  await attacker.listen(...subjects);
  const missing = subjects.filter((subject) => !attacker.refusals.includes(`permission ${subject}`));
  await work();
  await attacker.settled();
  const [first] = attacker.heard;
  if (first !== undefined)
    return `${attacker.heard.length} messages were received, the first one ${first.slice(0, 200)}`;
  return missing.length === 0 ? undefined : `these subscriptions were not refused: ${missing.join(', ')}`;
}
