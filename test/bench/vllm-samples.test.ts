import { describe, expect, test } from 'vitest';
import { rowsOf, type Sample } from '../../bench/vllm/samples.js';

function sample(system: Sample['system'], path: Sample['path'], ms: number, wrong = 0): Sample {
  const each = [ms, ms + 2, ms + 100];
  return {
    system,
    path,
    share_percent: 50,
    at_once: 4,
    ttft_ms: each,
    added_ms: each.map((one) => one - 10),
    load_ms: each.map((one) => one / 2),
    tokens_per_s: 1000 / ms,
    wrong,
  };
}

const parameters = { path: 'same-host', sharePercent: 50, atOnce: 4 };
const spread = (min: number, middle: number, max: number) => ({ median: middle, min, max, rounds: 2 });

describe('rows of the vllm suite', () => {
  const samples = [
    sample('alone', 'any', 8),
    sample('alone', 'any', 10),
    sample('kvferry', 'same-host', 20, 1),
    sample('kvferry', 'same-host', 40, 1),
    sample('nixl', 'same-host', 30),
    sample('nixl', 'same-host', 32),
  ];
  const rows = rowsOf(samples);

  test('two rounds → the spread of their medians over the prompts', () => {
    expect(rows[0]).toEqual({
      table: 'added time to first token',
      parameters,
      figures: {
        aloneTtftMs: spread(10, 11, 12),
        kvferryAddedMs: spread(12, 22, 32),
        nixlAddedMs: spread(22, 23, 24),
        moreThanNixlMs: spread(-10, -1, 8),
      },
    });
  });

  test('the engine alone → recomputation beside each path', () => {
    const loads = rows.filter(({ table }) => table === 'from the question to decode to its first token');
    expect(loads.map(({ figures }) => figures)).toEqual([
      { recomputedMs: spread(5, 5.5, 6), kvferryMs: spread(11, 16, 21), nixlMs: spread(16, 16.5, 17) },
      { recomputedMs: spread(5, 5.5, 6) },
    ]);
  });

  test('wrong answers of two rounds → their sum, by system', () => {
    const rates = rows.find(({ table, parameters: { path } }) => table === 'tokens a second' && path === 'same-host');
    expect(rates?.figures).toMatchObject({ kvferryWrong: 2, nixlWrong: 0, kvferryPerS: spread(25, 37.5, 50) });
  });
});
