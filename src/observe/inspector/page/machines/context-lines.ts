import { CONTEXT_LINES_MAX } from '../limits.js';

export interface ContextLine {
  readonly path: string;
  readonly value: string;
}

const VALUE_CHARACTERS_MAX = 400;
/** Objects below this depth are written on one line. */
const DEPTH_MAX = 3;

/** The context of a machine, one line for each value. */
export function contextLines(context: Readonly<Record<string, unknown>>): ContextLine[] {
  const lines: ContextLine[] = [];
  const add = (path: string, value: unknown, depth: number) => {
    if (lines.length >= CONTEXT_LINES_MAX) return;
    if (typeof value !== 'object' || value === null || Array.isArray(value) || depth >= DEPTH_MAX) {
      lines.push({ path, value: written(value) });
      return;
    }
    const inner = Object.entries(value);
    if (inner.length === 0) lines.push({ path, value: '{}' });
    for (const [name, part] of inner) add(`${path}.${name}`, part, depth + 1);
  };
  for (const [name, value] of Object.entries(context)) add(name, value, 1);
  return lines;
}

function written(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined');
  return text.length > VALUE_CHARACTERS_MAX ? `${text.slice(0, VALUE_CHARACTERS_MAX)}…` : text;
}
