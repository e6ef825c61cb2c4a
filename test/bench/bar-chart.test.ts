import { describe, expect, test } from 'vitest';
import { drawBarChart, shortNumber, tickStep } from '../../bench/plots/bar-chart.js';

const chart = {
  title: 'a < b',
  unit: 'GB/s',
  series: ['kvferry', 'memcpy'],
  groups: [
    { label: '1MiB', bars: [{ value: 5, min: 4, max: 10 }, { value: 10 }] },
    { label: '4MiB', bars: [{ value: 8 }, undefined] },
  ],
};

/** Every tag is closed, and nothing is left open. */
function isBalanced(svg: string): boolean {
  const open: string[] = [];
  for (const [, end, name, closed] of svg.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
    if (end === '/') {
      if (open.pop() !== name) return false;
    } else if (closed !== '/') open.push(name as string);
  }
  return open.length === 0;
}

describe('bar charts', () => {
  const svg = drawBarChart(chart);

  test('draws what was measured, and nothing where nothing was', () => {
    expect(svg.match(/class="value"/g)).toHaveLength(3);
    expect(svg.match(/class="spread"/g)).toHaveLength(1);
  });

  test('draws bars as high as their values', () => {
    const heights = [...svg.matchAll(/height="([\d.]+)" class="s[01]"/g)]
      .map(([, height]) => Number(height))
      .filter((height) => height !== 11);
    expect(heights).toEqual([120, 240, 192]);
  });

  test('follows light and dark, and is well-formed', () => {
    expect(svg).toContain('prefers-color-scheme: dark');
    expect(svg).toContain('a &lt; b');
    expect(isBalanced(svg)).toBe(true);
  });

  test('has about five ticks, at numbers that people like', () => {
    expect([0, 1, 9, 12, 430, 0.03].map(tickStep)).toEqual([1, 0.2, 2, 5, 100, 0.01]);
  });

  test('shows three digits', () => {
    expect([12.345, 0.012345, 1234].map(shortNumber)).toEqual(['12.3', '0.0123', '1230']);
  });
});
