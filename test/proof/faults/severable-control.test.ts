import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { SystemClock } from '../../../src/control/system-clock.js';
import type { ControlStatus } from '../../../src/ports/control.js';
import { SeverableControl } from '../../../src/proof/faults/severable-control.js';
import { MemoryControlNetwork } from '../../../src/proof/simulation/memory-control.js';
import { SimulatedClock } from '../../../src/proof/simulation/simulated-clock.js';
import { MESSAGE_BYTES_MAX } from '../../../src/protocol/limits.js';
import { describeControl } from '../../control/control-contract.js';
import { silent } from './support.js';

describeControl('one that can be cut', {
  outages: true,
  open: async () => {
    const network = new MemoryControlNetwork(new SystemClock());
    const lines: SeverableControl[] = [];
    const mends: (() => void)[] = [];
    return {
      connect: async (name) => {
        const line = new SeverableControl(network.connect(name), silent);
        lines.push(line);
        return line;
      },
      beginOutage: async () => void mends.push(...lines.map((line) => line.cut())),
      endOutage: async () => {
        for (const mend of mends.splice(0)) mend();
      },
      close: async () => undefined,
    };
  },
});

function setUp() {
  const clock = new SimulatedClock();
  const network = new MemoryControlNetwork(clock);
  const below = network.connect('agent');
  const line = new SeverableControl(below, silent);
  const statuses: ControlStatus[] = [];
  line.onStatus((status) => void statuses.push(status));
  return { clock, below, line, statuses, peer: network.connect('peer') };
}

describe('a line that is cut', () => {
  test('lets nothing in, and no answer out', async () => {
    const { clock, line, peer } = setUp();
    const heard: string[] = [];
    const held: (() => void)[] = [];
    line.subscribe('t.event', ({ body }) => void heard.push(body));
    line.subscribe('t.held', (message) => void held.push(() => message.respond('yes')));
    const before = expect(peer.request('t.held', '', { timeoutMs: 100 })).rejects.toMatchObject({
      code: 'deadline_exceeded',
    });
    await clock.advance(1);
    const mend = line.cut();
    for (const answer of held) answer();
    peer.publish('t.event', 'lost');
    const asked = expect(peer.request('t.held', '', { timeoutMs: 100 })).rejects.toMatchObject({
      code: 'deadline_exceeded',
    });
    await clock.advance(100);
    await Promise.all([before, asked]);
    mend();
    peer.publish('t.event', 'heard');
    await clock.advance(1);
    expect(heard).toEqual(['heard']);
  });

  test('is mended when all who cut it have mended it, each once', () => {
    const { line, statuses } = setUp();
    const first = line.cut();
    const second = line.cut();
    first();
    first();
    expect([line.isCut, statuses]).toEqual([true, ['disconnected']]);
    second();
    expect([line.isCut, statuses]).toEqual([false, ['disconnected', 'connected']]);
  });

  test('is not up again before the one below is', () => {
    const { below, line, statuses } = setUp();
    const mend = line.cut();
    below.setConnected(false);
    mend();
    expect(statuses).toEqual(['disconnected']);
    below.setConnected(true);
    expect(statuses).toEqual(['disconnected', 'connected']);
    below.setConnected(false);
    line.cut()();
    expect(statuses).toEqual(['disconnected', 'connected', 'disconnected']);
  });

  test('keeps the latest bytes that are published, refuses a message that is too large', async () => {
    const { clock, line, peer } = setUp();
    const heard: string[] = [];
    peer.subscribe('t.event', ({ body }) => void heard.push(body.trimEnd()));
    const mend = line.cut();
    for (let count = 0; count < 10; count += 1) line.publish('t.event', `${count}`.padEnd(MESSAGE_BYTES_MAX));
    expect(() => line.publish('t.event', 'x'.repeat(MESSAGE_BYTES_MAX + 1))).toThrow(
      expect.objectContaining({ code: 'message_too_large' }),
    );
    mend();
    await clock.advance(1);
    expect(heard).toEqual(['2', '3', '4', '5', '6', '7', '8', '9']);
  });

  test('drops what the network below refuses when it is mended, and says so', () => {
    const { below } = setUp();
    const logged: string[] = [];
    const logger = pino({}, { write: (text: string) => void logged.push(JSON.parse(text).msg) });
    const line = new SeverableControl(below, logger);
    const mend = line.cut();
    line.publish('t.event', 'x');
    below.die();
    mend();
    expect(logged).toEqual(['message dropped: sending failed after the line was restored']);
  });
});
