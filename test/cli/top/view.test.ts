import { describe, expect, test } from 'vitest';
import { firstView, press, type View } from '../../../src/cli/top/view.js';

/** The view after those keys. */
function pressed(...keys: readonly string[]): View | 'quit' {
  return keys.reduce<View | 'quit'>((view, key) => (view === 'quit' ? view : press(view, key)), firstView);
}

describe('keys', () => {
  test('the key q ends the command', () => {
    expect(pressed('q')).toBe('quit');
  });

  test('pause, and go on', () => {
    expect(pressed('p')).toEqual({ ...firstView, isPaused: true });
    expect(pressed('p', ' ')).toEqual(firstView);
  });

  test('choose what is shown, from its start', () => {
    expect(pressed('down', '2')).toEqual({ ...firstView, panel: 'agents' });
    expect(pressed('3')).toEqual({ ...firstView, panel: 'requests' });
    expect(pressed('3', '1')).toEqual(firstView);
  });

  test('change the order, round and round', () => {
    expect(
      [['s'], ['s', 's'], ['s', 's', 's'], ['s', 's', 's', 's']].map((keys) => (pressed(...keys) as View).sort),
    ).toEqual(['chunks', 'agent', 'state', 'age']);
  });

  test('scroll, not above the start', () => {
    expect(pressed('down', 'j', 'pagedown', 'up')).toEqual({ ...firstView, scroll: 11 });
    expect(pressed('down', 'k', 'up', 'pageup')).toEqual(firstView);
    expect(pressed('pagedown', 'home')).toEqual(firstView);
  });

  test('that mean nothing change nothing', () => {
    expect(pressed('x', 'left', '')).toEqual(firstView);
  });
});

describe('a filter', () => {
  test('is typed, corrected and taken; meanwhile keys mean themselves', () => {
    expect(pressed('f', 'r', 'q', 'left', '1', 'backspace')).toEqual({ ...firstView, typing: 'rq' });
    expect(pressed('/', 'r', 'q', 'return')).toEqual({ ...firstView, filter: 'rq' });
  });

  test('is typed further, given up, or removed', () => {
    expect(pressed('f', 'a', 'return', 'f', 'b', 'return')).toEqual({ ...firstView, filter: 'ab' });
    expect(pressed('f', 'a', 'return', 'f', 'b', 'escape')).toEqual({ ...firstView, filter: 'a' });
    expect(pressed('f', 'a', 'return', 'escape')).toEqual(firstView);
  });

  test('a filter has at most 64 characters', () => {
    const typed = pressed('f', ...Array<string>(100).fill('a')) as View;
    expect(typed.typing).toHaveLength(64);
  });
});
