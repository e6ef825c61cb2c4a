/**
 * Every file in `recordings` is a test: it replays without breaking a rule, and, unless it is the recording of a defect that
 * was repaired since (`*.fixed.jsonl`), without any difference. docs/replay.md says how to add one.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { replayed } from './support.js';

const directory = join(import.meta.dirname, 'recordings');
const files = readdirSync(directory).filter((name) => name.endsWith('.jsonl'));

test('there are recordings', () => {
  expect(files).not.toEqual([]);
});

describe.each(files)('%s', (name) => {
  test('no rule is broken', async () => {
    const { findings } = await replayed(join(directory, name));
    expect(findings.violations).toEqual([]);
  });

  test.runIf(!name.endsWith('.fixed.jsonl'))('the agent does what it did when it was recorded', async () => {
    const { findings } = await replayed(join(directory, name));
    const { divergences, skipped, ownTimers } = findings;
    expect({ divergences, skipped, ownTimers }).toEqual({ divergences: [], skipped: 0, ownTimers: 0 });
  });
});
