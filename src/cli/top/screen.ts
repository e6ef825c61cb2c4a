/** A screen that is redrawn, and restored at the end. */
import type { WriteStream } from 'node:tty';
import { createLogUpdate } from 'log-update';

export interface Screen {
  readonly columns: number;
  readonly rows: number;
  draw(lines: readonly string[]): void;
  /** Calls `listener` when the size changes. */
  onResize(listener: () => void): void;
  /** Restores the screen. Idempotent. */
  close(): void;
}

const ENTER = '\u001B[?1049h\u001B[?25l';
const LEAVE = '\u001B[?25h\u001B[?1049l';
const CLEAR = '\u001B[2J\u001B[H';
/** For a terminal that does not report its size. */
const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

export class TerminalScreen implements Screen {
  readonly #stream: WriteStream;
  readonly #update: ReturnType<typeof createLogUpdate>;
  readonly #resized = () => this.#onResized();
  readonly #restore = () => this.close();
  #listener: () => void = () => undefined;
  #isOpen = true;

  /** Uses the alternate screen, so that the previous content comes back at the end. */
  constructor(stream: WriteStream) {
    this.#stream = stream;
    this.#update = createLogUpdate(stream, { showCursor: true });
    stream.write(ENTER + CLEAR);
    stream.on('resize', this.#resized);
    // After an uncaught error too.
    process.on('exit', this.#restore);
  }

  get columns(): number {
    return this.#stream.columns || DEFAULT_COLUMNS;
  }

  /** One less than the terminal has: the cursor stands on the last line. */
  get rows(): number {
    return (this.#stream.rows || DEFAULT_ROWS) - 1;
  }

  draw(lines: readonly string[]): void {
    if (this.#isOpen) this.#update(lines.join('\n'));
  }

  onResize(listener: () => void): void {
    this.#listener = listener;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#stream.off('resize', this.#resized);
    process.off('exit', this.#restore);
    this.#update.done();
    this.#stream.write(LEAVE);
  }

  /** The terminal has moved the lines, so the frame must be drawn on an empty screen. */
  #onResized(): void {
    this.#update.done();
    this.#stream.write(CLEAR);
    this.#listener();
  }
}
