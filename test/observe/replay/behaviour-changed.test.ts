/** The agent that replays is not the one that recorded: what differs is found, and the replay goes on. */
import { expect, test } from 'vitest';
import type { Line, Output, Step } from '../../../src/observe/recording/record.js';
import { compareOutputs } from '../../../src/observe/replay/divergence.js';
import { RecordedCluster, recordingFile, replayed, textOf } from './support.js';

const keys = ['k0', 'k1'];

async function recorded(name: string): Promise<Line[]> {
  const cluster = new RecordedCluster();
  await cluster.agent('decode-0', 'decode');
  await cluster.agent('prefill-0', 'prefill');
  await cluster.segment('prefill-0', 'engine', keys);
  await cluster.put('prefill-0', 'a', keys);
  await cluster.ended('a');
  await cluster.clock.advance(5000);
  return cluster.lines.get(name) ?? [];
}

/** The step that the line at `index` belongs to. */
function stepOf(lines: readonly Line[], index: number): number {
  const step = lines.slice(0, index + 1).findLast((line): line is Step => 'step' in line);
  return step?.step ?? 0;
}

function findOutput<Out extends Output['out']>(
  lines: readonly Line[],
  out: Out,
  which: (output: Extract<Output, { out: Out }>) => boolean = () => true,
): { index: number; line: Extract<Output, { out: Out }>; step: number } {
  const index = lines.findIndex((line) => 'out' in line && line.out === out && which(line as never));
  return { index, line: lines[index] as Extract<Output, { out: Out }>, step: stepOf(lines, index) };
}

test('an output that comes different is found at its step', async () => {
  const lines = await recorded('decode-0');
  const { index, line, step } = findOutput(lines, 'publish', ({ subject }) => subject.endsWith('.ready'));
  const body = line.body.replace('"chunks":2', '"chunks":3');
  const { findings } = await replayed(recordingFile(textOf(lines.with(index, { ...line, body }))));
  expect(findings).toMatchObject({ divergencesTotal: 1, skipped: 0, ownTimers: 0 });
  expect(findings.divergences).toEqual([{ step, kind: 'different', recorded: { ...line, body }, replayed: line }]);
});

test('a missing output and a new one are found at their steps', async () => {
  const lines = await recorded('decode-0');
  const { index, line, step } = findOutput(lines, 'publish', ({ subject }) => subject.endsWith('.ready'));
  const extra: Output = { out: 'publish', subject: 'kvferry.v2.event.decode-0.default.failed', body: '{}' };
  const more = await replayed(recordingFile(textOf(lines.toSpliced(index, 0, extra))));
  expect(more.findings.divergences).toEqual([{ step, kind: 'missing', recorded: extra }]);
  const fewer = await replayed(recordingFile(textOf(lines.toSpliced(index, 1))));
  expect(fewer.findings.divergences).toEqual([{ step, kind: 'new', replayed: line }]);
});

test('the same in another order is one divergence', () => {
  const [one, two, three] = ['1', '2', '3'].map((body): Output => ({ out: 'publish', subject: 's', body }));
  expect(compareOutputs(7, [one!, two!, three!], [one!, three!, two!])).toEqual([
    { step: 7, kind: 'order', recorded: two, replayed: three },
  ]);
  expect(compareOutputs(7, [one!, two!], [one!, two!])).toEqual([]);
});

test('an answer whose question is not asked any more is skipped and counted', async () => {
  const lines = await recorded('prefill-0');
  const { index, line, step } = findOutput(lines, 'ask', ({ call }) => call === 'write');
  // As if another program had asked for something else at that place.
  const other: Output = { ...line, with: { ...line.with, items: [['engine', 0, 4096, 64]] } };
  const { findings } = await replayed(recordingFile(textOf(lines.with(index, other))));
  expect(findings.skipped).toBeGreaterThan(0);
  expect(findings.divergences[0]).toEqual({
    step,
    kind: 'different',
    recorded: other,
    replayed: { ...line, question: 'unheard.1' },
  });
  expect(findings.violations).toEqual([]);
});

test('a question that was not asked then runs into its time-out', async () => {
  const lines = await recorded('prefill-0');
  const { index, line, step } = findOutput(
    lines,
    'ask',
    ({ call, with: { subject } }) => call === 'request' && String(subject).endsWith('.allocate'),
  );
  const other: Output = { ...line, with: { ...line.with, subject: 'kvferry.v2.peer.decode-0.x.prefill-0.allocate' } };
  const { replay, findings } = await replayed(recordingFile(textOf(lines.with(index, other))));
  expect(findings.divergences[0]).toMatchObject({ step, kind: 'missing', recorded: other });
  expect(findings.skipped).toBeGreaterThan(0);
  expect(findings.ownTimers).toBe(1);
  expect(replay.situation.status?.counters).toMatchObject({ peer_calls_repeated: 1 });
  expect(findings.violations).toEqual([]);
});

test('a timer that was not set then fires when it is due', async () => {
  const lines = await recorded('decode-0');
  const { index, line } = findOutput(lines, 'timer.set', ({ delayMs }) => delayMs === 1000);
  const { findings } = await replayed(recordingFile(textOf(lines.with(index, { ...line, delayMs: 999 }))));
  expect(findings.ownTimers).toBeGreaterThan(0);
  expect(findings.skipped).toBeGreaterThan(0);
  expect(findings.violations).toEqual([]);
});

test('in which order the fields of a message are written is no difference', async () => {
  const lines = await recorded('prefill-0');
  const turned = (body: unknown) =>
    JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(String(body))).reverse()));
  let messages = 0;
  const reversed = lines.map((line): Line => {
    if (!('out' in line)) return line;
    if (line.out === 'publish' || line.out === 'respond') {
      messages += 1;
      return { ...line, body: turned(line.body) };
    }
    if (line.out !== 'ask' || line.call !== 'request') return line;
    messages += 1;
    return { ...line, with: { ...line.with, body: turned(line.with['body']) } };
  });
  expect(messages).toBeGreaterThan(5);
  const { findings } = await replayed(recordingFile(textOf(reversed)));
  expect(findings).toMatchObject({ divergencesTotal: 0, skipped: 0, ownTimers: 0 });
});
