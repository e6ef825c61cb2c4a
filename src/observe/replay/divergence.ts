/** The differences between the outputs of a replayed step and its recorded outputs. */
import { isDeepStrictEqual } from 'node:util';
import type { Output } from '../recording/record.js';
import { saidBy } from './message-body.js';

/**
 * - `missing`: the replay lacks a recorded output. `new`: the replay has an output that was not recorded.
 * - `different`: an output of the same kind has other contents.
 * - `order`: the outputs are the same in another order. The first output at another place is shown.
 */
export interface Divergence {
  readonly step: number;
  readonly kind: 'missing' | 'new' | 'different' | 'order';
  readonly recorded?: Output;
  readonly replayed?: Output;
}

export function compareOutputs(step: number, recorded: readonly Output[], replayed: readonly Output[]): Divergence[] {
  const first = recorded.findIndex((output, index) => !isSame(output, replayed[index]));
  if (first < 0 && recorded.length === replayed.length) return [];
  const gone = [...recorded];
  const added = replayed.filter((output) => !remove(gone, (other) => isSame(other, output)));
  if (gone.length === 0 && added.length === 0) {
    return [{ step, kind: 'order', recorded: recorded[first] as Output, replayed: replayed[first] as Output }];
  }
  const divergences: Divergence[] = [];
  for (const output of gone) {
    const changed = remove(added, (other) => headingOf(other) === headingOf(output));
    if (changed === undefined) divergences.push({ step, kind: 'missing', recorded: output });
    else divergences.push({ step, kind: 'different', recorded: output, replayed: changed });
  }
  return [...divergences, ...added.map((output): Divergence => ({ step, kind: 'new', replayed: output }))];
}

function isSame(one: Output, other: Output | undefined): boolean {
  return other !== undefined && isDeepStrictEqual(meaningOf(one), meaningOf(other));
}

function meaningOf(output: Output): unknown {
  if ('body' in output) return { ...output, body: saidBy(output.body) };
  if (output.out === 'ask') return { ...output, with: { ...output.with, body: saidBy(output.with['body']) } };
  return output;
}

/** Removes and returns the first matching element. */
function remove(outputs: Output[], fits: (output: Output) => boolean): Output | undefined {
  const index = outputs.findIndex(fits);
  return index < 0 ? undefined : outputs.splice(index, 1)[0];
}

/** Two outputs with the same identity are versions of one output. */
function headingOf(output: Output): string {
  switch (output.out) {
    case 'publish':
    case 'subscribe':
    case 'unsubscribe':
      return `${output.out} ${output.subject}`;
    case 'ask':
      return `${output.out} ${output.call} ${String(output.with['subject'] ?? '')}`;
    case 'respond':
      return `${output.out} ${output.message}`;
    case 'timer.set':
    case 'timer.clear':
    case 'write.stop':
    case 'reconnect':
    case 'reach':
      return output.out;
  }
}
