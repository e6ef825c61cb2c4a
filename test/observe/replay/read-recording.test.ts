/** Files: whole, cut off, damaged, or something else. */
import { expect, test } from 'vitest';
import type { Line } from '../../../src/observe/recording/record.js';
import { readRecording } from '../../../src/observe/replay/read-recording.js';
import { RecordedCluster, recordingFile, replayed, temporaryDirectory, textOf } from './support.js';

async function recorded(): Promise<Line[]> {
  const cluster = new RecordedCluster();
  await cluster.agent('decode-0', 'decode');
  await cluster.agent('prefill-0', 'prefill');
  await cluster.segment('prefill-0', 'engine', ['k0']);
  await cluster.put('prefill-0', 'a', ['k0']);
  await cluster.ended('a');
  return cluster.lines.get('decode-0') ?? [];
}

const refused = (message: string) => ({ code: 'invalid_configuration', message: expect.stringContaining(message) });

test('a recording is cut off anywhere → it is read up to there, and replays the same', async () => {
  const text = textOf(await recorded());
  const header = text.indexOf('\n') + 1;
  const cuts = 60;
  for (let cut = 0; cut <= cuts; cut += 1) {
    const path = recordingFile(text.slice(0, header + Math.round(((text.length - header) * cut) / cuts)));
    const { end, steps } = await readRecording(path);
    expect(end).toBeUndefined();
    expect(steps.map(({ step }) => step)).toEqual(steps.map((_, index) => index));
    expect((await replayed(path)).findings).toMatchObject({
      divergences: [],
      violations: [],
      skipped: 0,
      ownTimers: 0,
    });
  }
});

test('what is no recording is refused', async () => {
  const path = temporaryDirectory();
  await expect(readRecording(`${path}/none.jsonl`)).rejects.toMatchObject(refused('the file does not exist'));
  await expect(readRecording(path)).rejects.toMatchObject(refused('the file cannot be read (EISDIR)'));
  for (const text of ['', '\n', 'garbage', 'garbage\nmore', '{"a":1}', '[]\n[]', '\0\x01\x02\xff', '{"kvferry":"rec']) {
    await expect(readRecording(recordingFile(text))).rejects.toMatchObject(refused('the file is not a recording'));
  }
});

test('another version of the format is refused, and named', async () => {
  const [header] = await recorded();
  const path = recordingFile(`${JSON.stringify({ ...header, format: 4 })}\n`);
  await expect(readRecording(path)).rejects.toMatchObject(
    refused('the file has format 4; this version of kvferry reads format 3'),
  );
});

test('damage is refused, with its line', async () => {
  const lines = await recorded();
  const step = lines.findIndex((line) => 'in' in line && line.in === 'answer' && line.error === undefined);
  const with_ = (line: unknown, at = step) => {
    const texts = lines.map((each) => JSON.stringify(each));
    texts[at] = typeof line === 'string' ? line : JSON.stringify(line);
    return recordingFile(texts.join('\n'));
  };
  const damaged = (why: string, at = step) => refused(`line ${at + 1} is damaged: ${why}`);
  await expect(readRecording(with_('{"step":'))).rejects.toMatchObject(damaged('it is not JSON'));
  await expect(readRecording(with_({ step: 1, in: 'rumour', atMs: 0 }))).rejects.toMatchObject(
    damaged('the line is not part of the format'),
  );
  const answer = lines[step] as Extract<Line, { in: 'answer' }>;
  await expect(readRecording(with_({ ...answer, value: 7 }))).rejects.toMatchObject(
    damaged('the line is not part of the format'),
  );
  await expect(readRecording(with_({ ...answer, question: '99.0' }))).rejects.toMatchObject(
    damaged('question 99.0 was never asked'),
  );
  await expect(readRecording(with_({ ...answer, step: 7 }))).rejects.toMatchObject(
    damaged(`step ${answer.step} is missing`),
  );
  await expect(readRecording(with_({ end: 'stopped' }))).rejects.toMatchObject(
    damaged('a line follows the end', step + 1),
  );
  await expect(readRecording(with_({ kvferry: 'recording', format: 3 }, 0))).rejects.toMatchObject(
    damaged('the line is not part of the format', 0),
  );
});
