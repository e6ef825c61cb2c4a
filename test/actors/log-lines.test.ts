/** What an agent logs: lines that every JSON reader takes, at a level that says whether to look. */
import { pino } from 'pino';
import { afterEach, describe, expect, test } from 'vitest';
import type { AgentPorts } from '../../src/actors/agent/agent-actor.js';
import { Cluster } from './support.js';

interface Line {
  readonly level: string;
  readonly msg: string;
  readonly agent?: string;
  readonly code?: string;
}

class LoggedCluster extends Cluster {
  /** Raw lines of all agents. */
  readonly log: string[] = [];

  protected override decorated(ports: AgentPorts): AgentPorts {
    const formatters = { level: (level: string) => ({ level }) };
    return { ...ports, logger: pino({ level: 'trace', formatters }, { write: (line) => this.log.push(line) }) };
  }

  lines(msg: string): Line[] {
    return this.log.map((line) => JSON.parse(line)).filter((line) => line.msg === msg);
  }

  /** JSON.parse keeps the last of two equal keys: a line that repeats one is not written again as it was. */
  get linesThatRepeatKeys(): string[] {
    return this.log.map((line) => line.trimEnd()).filter((line) => JSON.stringify(JSON.parse(line)) !== line);
  }
}

let made: LoggedCluster;

async function cluster(leaseMs = 60_000): Promise<LoggedCluster> {
  made = new LoggedCluster();
  for (const rank of [0, 1]) {
    await made.agent(`decode-${rank}`, 'decode', { leaseMs });
    await made.agent(`prefill-${rank}`, 'prefill');
    await made.segment(`prefill-${rank}`, 'engine', ['k0', 'k1']);
  }
  return made;
}

afterEach(() => made.stop());

test('no line repeats a key, whatever becomes of requests', async () => {
  await cluster(1000);
  await made.put('prefill-0', 'ready', ['k0']);
  await made.ended('ready');
  await made.clock.advance(3000);
  await made.put('prefill-0', 'expired', ['k0'], { last: false, totalChunks: 2, timeoutMs: 100 });
  await made.ended('expired');
  await made.put('prefill-0', 'cancelled', ['k0'], { last: false, totalChunks: 2 });
  await made.call('decode-0', 'cancel', { request: 'cancelled' });
  await made.ended('cancelled');
  // One writer is cancelled, and a request that had joined its chunk takes it over.
  const writes = made.fabrics.holdWrites(({ from }) => from.startsWith('prefill-0'));
  await made.put('prefill-0', 'writer', ['k0']);
  await made.clock.until(() => writes.held > 0);
  await made.put('prefill-1', 'joiner', ['k0']);
  await made.clock.advance(10);
  await made.call('prefill-0', 'cancel', { request: 'writer' });
  await made.ended('joiner');
  writes.release();
  const members = [0, 1].map((rank) => ({ sender: `prefill-${rank}`, receiver: `decode-${rank}` }));
  await made.put('prefill-0', 'ranks', ['k0'], { ranks: { rank: 0, members }, timeoutMs: 1000 });
  await made.ended('ranks');
  const decode = await made.agent('decode-2', 'decode');
  await made.put('prefill-0', 'lost', ['k0'], { receiver: 'decode-2', last: false, totalChunks: 2 });
  await made.clock.advance(10);
  made.kill(decode);
  await made.ended('lost');

  const ends = made.terminals.map(({ request, end }) => `${request} ${end}`).sort();
  expect(ends).toEqual([
    'cancelled cancelled',
    'expired expired',
    'joiner ready',
    'lost failed',
    'ranks expired',
    'ready ready',
    'writer cancelled',
  ]);
  expect(made.lines('request ended')).not.toEqual([]);
  expect(made.lines('joined chunks handed over')).toHaveLength(1);
  expect(made.lines('leases expired: the decode engine neither released nor renewed them')).not.toEqual([]);
  expect(made.linesThatRepeatKeys).toEqual([]);
});

test('the line about an end has the epochs of the agent and of the request', async () => {
  await cluster();
  const { epoch } = await made.put('prefill-0', 'r1', ['k0']);
  await made.ended('r1');
  const atDecode = made.lines('request ended').filter(({ agent }) => agent === 'decode-0');
  expect(atDecode).toMatchObject([
    { agent: 'decode-0', epoch: '0000000000000001', request: 'r1', requestEpoch: epoch, end: 'ready' },
  ]);
});

describe('levels', () => {
  test('a request that is ready is no news', async () => {
    await cluster();
    await made.put('prefill-0', 'r1', ['k0']);
    await made.ended('r1');
    await made.clock.advance(1000);
    expect(made.lines('request ended').map(({ level }) => level)).toEqual(['debug', 'debug']);
  });

  test('a cancelled request is information', async () => {
    await cluster();
    await made.put('prefill-0', 'r1', ['k0'], { last: false, totalChunks: 2 });
    await made.clock.advance(100);
    await made.call('prefill-0', 'cancel', { request: 'r1' });
    await made.ended('r1');
    await made.clock.advance(1000);
    expect(made.lines('request ended').map(({ level }) => level)).toEqual(['info', 'info']);
  });

  test('a cancelled request over several ranks is information', async () => {
    await cluster();
    const members = [0, 1].map((rank) => ({ sender: `prefill-${rank}`, receiver: `decode-${rank}` }));
    await made.put('prefill-0', 'r1', ['k0'], { ranks: { rank: 0, members } });
    await made.clock.advance(100);
    await made.call('prefill-0', 'cancel', { request: 'r1' });
    await made.ended('r1');
    expect(made.lines('request over several ranks ended').map(({ level }) => level)).toEqual(['info']);
  });

  test('a request that expires is a warning', async () => {
    await cluster();
    await made.put('prefill-0', 'r1', ['k0'], { last: false, totalChunks: 2, timeoutMs: 100 });
    await made.ended('r1');
    await made.clock.advance(1000);
    expect(made.lines('request ended').map(({ level }) => level)).toEqual(['warn', 'warn']);
  });

  test('refusals that a correct client causes are no warnings', async () => {
    await cluster();
    const { epoch } = await made.put('prefill-0', 'r1', ['k0']);
    await made.ended('r1');
    const calls = [
      made.call('decode-0', 'release', { request: 'unknown', epoch }),
      made.call('prefill-0', 'cancel', { request: 'unknown' }),
      made.put('prefill-0', 'r1', ['k0']),
      made.segment('prefill-0', 'engine', ['k0']),
    ];
    await Promise.allSettled(calls);
    expect(made.lines('message refused').map(({ code, level }) => `${code} ${level}`)).toEqual([
      'unknown_request debug',
      'unknown_request debug',
      'request_ended debug',
      'segment_exists debug',
    ]);
  });

  test('a refusal of what no correct client sends is a warning', async () => {
    await cluster();
    await expect(made.raw('prefill-0', 'put', '{')).rejects.toMatchObject({ code: 'malformed_json' });
    expect(made.lines('message refused').map(({ level }) => level)).toEqual(['warn']);
  });
});
