import type { TerminalEvent } from '../../../src/protocol/events.js';
import { endText } from '../pair.js';
import type { HostsRun } from '../site.js';

export interface HostsCase {
  readonly name: string;
  /** Why this machine cannot run it, or undefined. */
  whySkipped?(): string | undefined;
  /** Rejects when a promise is broken. */
  run(run: HostsRun): Promise<void>;
}

export function expect(isTrue: boolean, what: string): void {
  if (!isTrue) throw new Error(what);
}

/** The request must have failed with that code, and its message must contain `text`. */
export function expectFailure(event: TerminalEvent, code: string, text = ''): void {
  const isExpected = event.end === 'failed' && event.reason?.code === code && event.reason.message.includes(text);
  expect(isExpected, `${event.request} ${endText(event)}; expected: failed (${code}: …${text}…)`);
}
