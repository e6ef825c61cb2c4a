/** Steps through a replay at a terminal, forwards and backwards. */
import type { Replay } from '../../observe/replay/replay.js';
import type { Keys } from '../keyboard.js';
import type { Terminal } from '../terminal.js';
import { situationLines } from './report.js';
import type { StepTexts } from './step-text.js';

const help = 'n or → next, p or ← back, g N go to step N, / text search, m machines, q quit';
/** Longest text that a user can type. */
const TYPED_LENGTH_MAX = 200;

/** Ends with `q`, or when the keys end. */
export async function stepThrough(replay: Replay, texts: StepTexts, keys: Keys, terminal: Terminal): Promise<void> {
  const show = (machines = false) => {
    for (const line of ['', ...situationLines(replay, texts, { machines })]) terminal.out(line);
  };
  const typing = new Typing();
  terminal.out(help);
  show(true);
  for await (const key of keys) {
    const wasTyping = typing.isUnderWay;
    const typed = typing.press(key);
    if (typed !== undefined) await follow(typed);
    else if (wasTyping) continue;
    else if (typing.isUnderWay) terminal.out(key === 'g' ? 'to step, then Return:' : 'text, then Return:');
    else if (key === 'q') return;
    else if (key === 'm') show(true);
    else if (key === 'n' || key === 'right') await move(replay.stepForward(), 'this is the last step');
    else if (key === 'p' || key === 'left') await move(replay.stepBack(), 'this is the start');
    else terminal.out(help);
  }

  async function move(moving: Promise<boolean>, otherwise: string): Promise<void> {
    if (await moving) show();
    else terminal.out(otherwise);
  }

  async function follow({ what, text }: Typed): Promise<void> {
    const step = what === 'step' ? numberOf(text) : find(text);
    if (step === undefined)
      terminal.out(
        what === 'step'
          ? `${JSON.stringify(text)} is not a step number`
          : `no later step contains ${JSON.stringify(text)}`,
      );
    else {
      await replay.goTo(step);
      show();
    }
  }

  function numberOf(text: string): number | undefined {
    const step = Number(text.trim());
    return text.trim() !== '' && Number.isSafeInteger(step) && step >= 0 && step <= replay.last ? step : undefined;
  }

  /** The next step that contains the text. */
  function find(text: string): number | undefined {
    const from = replay.situation.recorded.step;
    return replay.recording.steps.find((step) => step.step > from && texts.contains(step, text))?.step;
  }
}

interface Typed {
  readonly what: 'step' | 'search';
  readonly text: string;
}

/** Collects the text after `g` or `/`, up to Return. */
class Typing {
  #what: Typed['what'] | undefined;
  #text = '';

  get isUnderWay(): boolean {
    return this.#what !== undefined;
  }

  /** The text, when the key completes it. */
  press(key: string): Typed | undefined {
    if (this.#what === undefined) {
      if (key === 'g') this.#what = 'step';
      if (key === '/') this.#what = 'search';
      this.#text = '';
      return undefined;
    }
    if (key === 'return' || key === 'enter') {
      const typed = { what: this.#what, text: this.#text };
      this.#what = undefined;
      return typed;
    }
    if (key === 'escape') this.#what = undefined;
    else if (key === 'backspace') this.#text = this.#text.slice(0, -1);
    else if (key.length === 1 && this.#text.length < TYPED_LENGTH_MAX) this.#text += key;
    return undefined;
  }
}
