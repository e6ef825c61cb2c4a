/** Random peers of the same-host socket, on both sides of it. They are programs in Python: Node has no such sockets. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openNativeFabric } from '../../../src/native/native-fabric.js';
import type { FabricEndpoint } from '../../../src/ports/fabric.js';
import { whyNot } from '../../contract/native-harness.js';
import { pattern } from '../../contract/pattern.js';
import { connectedPair } from '../connected-pair.js';
import { PATIENCE_MS, seeds } from './chance.js';

const PROGRAM = fileURLToPath(new URL('../children/fuzz-peer.py', import.meta.url));
const PAGE = 64 * 1024;
const SENDER_CONNECTIONS = 60;
const CONNECTIONS = 8;
const HEX = 16;
const hasPython = spawnSync('python3', ['--version']).status === 0;
const reason = whyNot('same-host') ?? (hasPython ? undefined : 'no python3');

describe.skipIf(reason !== undefined)(`random peers ${reason ?? ''}`, () => {
  test('T27: random senders → an honest one is served, from a segment as it is', { timeout: PATIENCE_MS }, async () => {
    const pair = await connectedPair('same-host', { pageBytes: PAGE, pages: 1 });
    writeFileSync(pair.segment, pattern('honest', PAGE));
    await pair.sender.attachSegment('s', pair.segment);
    const path = Buffer.from(pair.receiver.endpoints()[0]?.address.split(':').at(-1) ?? '', 'hex').toString();
    for (const seed of seeds()) {
      const grant = await pair.receiver.grant('same-host');
      const sender = new Peer(['sender', path, grant.token, `${seed}`, `${SENDER_CONNECTIONS}`]);
      const item = { segment: 's', sourceOffset: 0, targetOffset: 0, length: PAGE };
      expect(await pair.connection.write([item]).done, `seed ${seed}`).toEqual({ status: 'delivered', bytes: PAGE });
      expect(await sender.line(), `seed ${seed}`).toBe('done');
      await pair.receiver.revoke(grant.id);
      expect(await pair.connection.write([item]).done, `seed ${seed}`).toEqual({ status: 'delivered', bytes: PAGE });
      expect(Buffer.compare(readFileSync(pair.arena), pattern('honest', PAGE)), `seed ${seed}`).toBe(0);
    }
  });

  test('T27: random receivers → every connection and every write ends', { timeout: PATIENCE_MS }, async () => {
    const directory = mkdtempSync('/dev/shm/kvferry-test-');
    const receiver = await openNativeFabric({ providers: ['same-host'], socketDirectory: directory });
    const sender = await openNativeFabric({ providers: ['same-host'], socketDirectory: directory });
    onTestFinished(async () => {
      await Promise.all([sender.close(), receiver.close()]);
      rmSync(directory, { recursive: true });
    });
    await receiver.createArena({ path: join(directory, 'arena'), pageBytes: PAGE, pages: 1 });
    const [wire] = (receiver.endpoints()[0] as FabricEndpoint).address.split(':');
    const path = join(directory, 'random.sock');
    const peer = new Peer(['receiver', path]);
    const place = (await peer.line()) as readonly [number, number];
    const numbers = place.map((number) => number.toString(HEX)).join(':');
    const address = `${wire}:${numbers}:${Buffer.from(path).toString('hex')}`;
    const endpoint = { provider: 'same-host', detail: '', address } as const;
    const grant = { id: 'same-host-1', provider: 'same-host', token: '1:2', arenaBytes: PAGE } as const;
    writeFileSync(join(directory, 'segment'), pattern('segment', PAGE));
    await sender.attachSegment('s', join(directory, 'segment'));
    const item = { segment: 's', sourceOffset: 0, targetOffset: 0, length: PAGE };
    for (const seed of seeds()) {
      peer.tell(seed);
      const attempts = Array.from({ length: CONNECTIONS }, async () => {
        const connection = await sender.connect(endpoint, grant, { timeoutMs: 500 });
        const writes = Array.from({ length: 4 }, () => connection.write([item]));
        writes[0]?.stop();
        await connection.close();
        return Promise.all(writes.map(({ done }) => done));
      });
      for (const end of await Promise.allSettled(attempts)) {
        const failed = end.status === 'rejected' && end.reason.code === 'connection_failed';
        const ended = end.status === 'fulfilled' && end.value.length === 4;
        expect(failed || ended, `seed ${seed}: ${JSON.stringify(end)}`).toBe(true);
      }
    }
  });
});

/** A run of `fuzz-peer.py`, which ends with its test. */
class Peer {
  readonly #child;
  readonly #lines: AsyncIterator<string>;

  constructor(args: readonly string[]) {
    this.#child = spawn('python3', [PROGRAM, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    onTestFinished(() => void this.#child.kill('SIGKILL'));
  }

  async line(): Promise<unknown> {
    return JSON.parse((await this.#lines.next()).value);
  }

  tell(number: number): void {
    this.#child.stdin.write(`${number}\n`);
  }
}
