/** The file of a recording: complete, private, bounded, and never in the way. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Line } from '../../../src/observe/recording/record.js';
import { RecordingFile } from '../../../src/observe/recording/recording-file.js';

const PERMISSIONS = 0o777;
const BYTES_MAX = 1024 * 1024;

function pathOf(): string {
  const directory = mkdtempSync(join(tmpdir(), 'kvferry-recording-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return join(directory, 'agent.jsonl');
}

function published(body: string): Line {
  return { out: 'publish', subject: 's', body };
}

function linesOf(path: string): unknown[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

test('it has every line, in order, and then says that the agent has stopped', async () => {
  const path = pathOf();
  const file = await RecordingFile.create(path, { bytesMax: BYTES_MAX, onEndedEarly: () => undefined });
  const lines = Array.from({ length: 1000 }, (_, index) => published(`${index} ü`));
  for (const line of lines) file.write(line);
  await file.end();
  file.write(published('too late'));
  expect(linesOf(path)).toEqual([...lines, { end: 'stopped' }]);
});

test('only its owner may read it', async () => {
  const path = pathOf();
  const file = await RecordingFile.create(path, { bytesMax: BYTES_MAX, onEndedEarly: () => undefined });
  await file.end();
  expect(statSync(path).mode & PERMISSIONS).toBe(0o600);
});

test('a file that exists is left alone', async () => {
  const path = pathOf();
  const options = { bytesMax: BYTES_MAX, onEndedEarly: () => undefined };
  const file = await RecordingFile.create(path, options);
  file.write(published('of an incident'));
  await file.end();
  await expect(RecordingFile.create(path, options)).rejects.toMatchObject({
    code: 'invalid_configuration',
    message: `cannot create recording ${path}: it exists already`,
  });
  expect(linesOf(path)).toHaveLength(2);
  const nowhere = join(path, 'below');
  await expect(RecordingFile.create(nowhere, options)).rejects.toMatchObject({ code: 'invalid_configuration' });
  expect(existsSync(nowhere)).toBe(false);
});

test('it ends before it becomes too large, and says so', async () => {
  const path = pathOf();
  const bytesMax = 64 * 1024;
  const early: unknown[] = [];
  const file = await RecordingFile.create(path, { bytesMax, onEndedEarly: (reason) => early.push(reason) });
  for (let count = 0; count < 100; count += 1) file.write(published('x'.repeat(1000)));
  await file.end();
  expect(early).toEqual(['size']);
  expect(statSync(path).size).toBeLessThanOrEqual(bytesMax);
  expect(statSync(path).size).toBeGreaterThan(bytesMax - 2000);
  expect(linesOf(path).at(-1)).toEqual({ end: 'size' });
});

test('it ends when more waits for the disk than may wait', async () => {
  const path = pathOf();
  const early: unknown[] = [];
  const bytesMax = 1024 ** 3;
  const file = await RecordingFile.create(path, { bytesMax, onEndedEarly: (reason) => early.push(reason) });
  // Nothing is written before this turn of the event loop is over.
  for (let count = 0; count < 40; count += 1) file.write(published('x'.repeat(BYTES_MAX)));
  await file.end();
  expect(early).toEqual(['backlog']);
  expect(linesOf(path).at(-1)).toEqual({ end: 'backlog' });
});

test('a disk that is full ends the recording and nothing else', async () => {
  const early: unknown[] = [];
  const full = await open('/dev/full', 'w');
  const file = new RecordingFile(full, { bytesMax: BYTES_MAX, onEndedEarly: (reason) => early.push(reason) });
  file.write(published('lost'));
  await file.end();
  expect(early).toEqual([expect.objectContaining({ code: 'ENOSPC' })]);
  file.endNow();
});

test('a process that ends at once leaves nothing behind', async () => {
  const path = pathOf();
  const file = await RecordingFile.create(path, { bytesMax: BYTES_MAX, onEndedEarly: () => undefined });
  file.write(published('one'));
  file.write(published('two'));
  file.endNow();
  expect(linesOf(path)).toEqual([published('one'), published('two')]);
  await file.end();
});
