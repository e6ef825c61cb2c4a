import { expect, test } from 'vitest';
import type { Line } from '../../../src/observe/recording/record.js';
import { Recorder } from '../../../src/observe/recording/recorder.js';
import { RecordingControl } from '../../../src/observe/recording/recording-control.js';
import { MemoryControlNetwork } from '../../../src/proof/simulation/memory-control.js';
import { SimulatedClock } from '../../../src/proof/simulation/simulated-clock.js';

test('headers pass, in and out, and are not recorded', async () => {
  const clock = new SimulatedClock();
  const network = new MemoryControlNetwork(clock);
  const lines: Line[] = [];
  const recorder = new Recorder({
    clock,
    nextTurn: (run) => void clock.setTimeout(run, 0),
    write: (line) => void lines.push(line),
  });
  const recorded = new RecordingControl(network.connect('agent'), recorder);
  const peer = network.connect('peer');
  const seen: unknown[] = [];
  recorded.subscribe('to.agent', ({ headers }) => void seen.push(headers));
  peer.subscribe('to.peer', (message) => {
    seen.push(message.headers);
    message.respond('');
  });
  const headers = { traceparent: 'x' };
  peer.publish('to.agent', 'a', headers);
  recorded.publish('to.peer', 'b', headers);
  void recorded.request('to.peer', 'c', { timeoutMs: 10, headers });
  await clock.advance(10);
  expect(seen).toEqual([headers, headers, headers]);
  expect(lines).toEqual([
    { out: 'subscribe', subject: 'to.agent' },
    { out: 'publish', subject: 'to.peer', body: 'b' },
    { out: 'ask', question: '0.0', call: 'request', with: { subject: 'to.peer', body: 'c', timeoutMs: 10 } },
    { step: 1, atMs: 0, in: 'message', to: 'to.agent', subject: 'to.agent', body: 'a' },
    { step: 2, atMs: 0, in: 'answer', question: '0.0', value: '' },
  ]);
});
