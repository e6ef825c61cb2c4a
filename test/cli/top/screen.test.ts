import { EventEmitter } from 'node:events';
import type { WriteStream } from 'node:tty';
import { describe, expect, test } from 'vitest';
import { TerminalScreen } from '../../../src/cli/top/screen.js';

/** A terminal of 10 lines of 40 characters that remembers what was written to it. */
class FakeTerminal extends EventEmitter {
  columns = 40;
  rows = 10;
  readonly isTTY = true;
  written = '';

  write(text: string): boolean {
    this.written += text;
    return true;
  }
  /** What was written since the last call. */
  take(): string {
    const text = this.written;
    this.written = '';
    return text;
  }
}

function open() {
  const terminal = new FakeTerminal();
  const exits = process.listenerCount('exit');
  const screen = new TerminalScreen(terminal as unknown as WriteStream);
  return { terminal, screen, exits };
}

describe('a screen', () => {
  test('takes the alternate screen without its cursor, and gives both back', () => {
    const { terminal, screen, exits } = open();
    expect(terminal.take()).toBe('\u001B[?1049h\u001B[?25l\u001B[2J\u001B[H');
    screen.close();
    screen.close();
    expect(terminal.take()).toBe('\u001B[?25h\u001B[?1049l');
    expect([terminal.listenerCount('resize'), process.listenerCount('exit')]).toEqual([0, exits]);
  });

  test('is given back when the process ends otherwise', () => {
    const { terminal, exits } = open();
    terminal.take();
    // Calls the listener of the process: a real exit would end the test too.
    (process.listeners('exit').at(-1) as () => void)();
    expect(terminal.take()).toBe('\u001B[?25h\u001B[?1049l');
    expect(process.listenerCount('exit')).toBe(exits);
  });

  test('draws, and draws nothing once it is closed', () => {
    const { terminal, screen } = open();
    terminal.take();
    screen.draw(['one', 'two']);
    expect(terminal.take()).toContain('one\ntwo\n');
    screen.close();
    terminal.take();
    screen.draw(['three']);
    expect(terminal.take()).toBe('');
  });

  test('starts from nothing when its size has changed, and says so', () => {
    const { terminal, screen } = open();
    screen.draw(['one']);
    let resized = 0;
    screen.onResize(() => {
      resized += 1;
    });
    terminal.take();
    terminal.columns = 20;
    terminal.rows = 5;
    terminal.emit('resize');
    expect([terminal.take(), resized, screen.columns, screen.rows]).toEqual(['\u001B[2J\u001B[H', 1, 20, 4]);
    screen.draw(['one']);
    expect(terminal.take()).toContain('one\n');
    screen.close();
  });

  test('has a usual size when the terminal says none', () => {
    const { terminal, screen } = open();
    terminal.columns = 0;
    terminal.rows = 0;
    expect([screen.columns, screen.rows]).toEqual([80, 23]);
    screen.close();
  });
});
