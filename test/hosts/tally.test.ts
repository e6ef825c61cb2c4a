import { expect, test } from 'vitest';
import type { TerminalEvent } from '../../src/protocol/events.js';
import { Tally } from './tally.js';

type Handler = (event: TerminalEvent) => void;

/** A tally, and what sends it first and repeated events. */
function tallied(): { tally: Tally; first: Handler; repeated: Handler } {
  const tally = new Tally();
  const handlers: Handler[] = [];
  tally.watch({
    onTerminal: (first, repeated = () => undefined) => {
      handlers.push((event) => first(event, {}), repeated);
      return { close: () => undefined };
    },
  });
  const [first = () => undefined, repeated = () => undefined] = handlers;
  return { tally, first, repeated };
}

function event(request: string, end: TerminalEvent['end']): TerminalEvent {
  return {
    v: 1,
    request,
    epoch: '0123456789abcdef',
    end,
    sender: 'p',
    chunks: 1,
    deduplicated: 0,
    joined: 0,
    bytes: 0,
    ageMs: 0,
  };
}

test('a second end that contradicts the first → it counts, also of parted agents', () => {
  const { tally, first, repeated } = tallied();
  tally.parted('a');
  first(event('a', 'failed'));
  repeated(event('a', 'ready'));
  expect(tally.secondEnds).toEqual(['a: failed, then ready']);
});

test('a second failed → it counts, unless the agents of the request were parted', () => {
  const { tally, first, repeated } = tallied();
  tally.parted('a');
  for (const request of ['a', 'b']) {
    first(event(request, 'failed'));
    repeated(event(request, 'failed'));
  }
  expect(tally.secondEnds).toEqual(['b: failed, then failed']);
});
