/**
 * What every implementation of the fabric port must do. `describeFabric` runs it on one of them; the harness gives the
 * cases fabrics and files of that implementation's world.
 *
 * Nothing here waits for a time. A case that needs something to be in flight keeps it in flight: it writes again and
 * again until the fabric says no (`writeUntilItEnds`), so that it does not matter how fast this machine is.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type {
  FabricConnection,
  FabricEndpoint,
  FabricGrant,
  FabricPort,
  Provider,
  WriteItem,
  WriteOutcome,
} from '../../src/ports/fabric.js';
import { pattern, type Region } from './pattern.js';

export interface FabricHarness {
  readonly provider: Provider;
  open(): Promise<FabricPort>;
  /** A path that nothing has yet, where arenas and segments may be. */
  newPath(name: string): string;
  writeFile(path: string, bytes: Uint8Array): void;
  /** Changes bytes of a file in place, as an engine that has mapped it does. */
  scribble(path: string, offset: number, bytes: Uint8Array): void;
  readFile(path: string, region?: Region): Uint8Array;
  truncate(path: string, bytes: number): void;
  exists(path: string): boolean;
  makeDirectory(path: string): void;
  /** Removes what the test left behind. */
  dispose(): void;
}

const KiB = 1024;
const MiB = 1024 * KiB;
const pageBytes = 64 * KiB;
const pages = 16;
const timeoutMs = 10_000;
/** Larger than any machine that runs tests. */
const tooManyBytes = 2 ** 50;

interface Receiver {
  readonly fabric: FabricPort;
  readonly path: string;
  readonly endpoint: FabricEndpoint;
}

interface Pair extends Receiver {
  readonly sender: FabricPort;
  readonly grant: FabricGrant;
  readonly connection: FabricConnection;
}

export function describeFabric(name: string, createHarness: () => FabricHarness): void {
  describe(`fabric: ${name}`, () => {
    let harness: FabricHarness;
    let opened: FabricPort[];

    beforeEach(() => {
      harness = createHarness();
      opened = [];
    });

    afterEach(async () => {
      await Promise.all(opened.map((fabric) => fabric.close()));
      harness.dispose();
    });

    async function open(): Promise<FabricPort> {
      const fabric = await harness.open();
      opened.push(fabric);
      return fabric;
    }

    async function openReceiver(size: { pageBytes: number; pages: number } = { pageBytes, pages }): Promise<Receiver> {
      const fabric = await open();
      const path = harness.newPath('arena');
      await fabric.createArena({ path, ...size });
      return { fabric, path, endpoint: endpointOf(fabric) };
    }

    async function openPair(size?: { pageBytes: number; pages: number }): Promise<Pair> {
      const receiver = await openReceiver(size);
      const sender = await open();
      return { ...receiver, sender, ...(await join(sender, receiver)) };
    }

    async function join(
      sender: FabricPort,
      receiver: Receiver,
    ): Promise<{ grant: FabricGrant; connection: FabricConnection }> {
      const grant = await receiver.fabric.grant(harness.provider);
      return { grant, connection: await sender.connect(receiver.endpoint, grant, { timeoutMs }) };
    }

    function endpointOf(fabric: FabricPort): FabricEndpoint {
      const endpoint = fabric.endpoints().find(({ provider }) => provider === harness.provider);
      if (endpoint === undefined) throw new Error(`no endpoint; unavailable: ${JSON.stringify(fabric.unavailable())}`);
      return endpoint;
    }

    async function attach(fabric: FabricPort, name: string, bytes: Uint8Array): Promise<string> {
      const path = harness.newPath(name);
      harness.writeFile(path, bytes);
      await fabric.attachSegment(name, path);
      return path;
    }

    /** Fills the arena with bytes that only `key` has, and answers a check that it still has them. */
    function fill(receiver: Receiver, key: string, bytes = pageBytes * pages): () => void {
      const canary = pattern(key, bytes);
      harness.scribble(receiver.path, 0, canary);
      return () => expectSame(harness.readFile(receiver.path), canary);
    }

    /** Of an arena that nothing was written to before. */
    async function untilSomethingLanded(receiver: Receiver): Promise<void> {
      const untouched = new Uint8Array(pageBytes * pages);
      while (Buffer.compare(harness.readFile(receiver.path), untouched) === 0) await nextTurn();
    }

    describe('arena', () => {
      it('is a file of zeros of the right size, and is gone after close', async () => {
        const { fabric, path } = await openReceiver({ pageBytes: 4096, pages: 3 });
        expectSame(harness.readFile(path), new Uint8Array(3 * 4096));
        await fabric.close();
        expect(harness.exists(path)).toBe(false);
      });

      it('is where endpoints come from', async () => {
        const fabric = await open();
        expect(fabric.endpoints()).toEqual([]);
        await fabric.createArena({ path: harness.newPath('arena'), pageBytes, pages });
        expect(fabric.endpoints().map(({ provider }) => provider)).toEqual([harness.provider]);
        expect(fabric.unavailable()).toEqual([]);
      });

      it('takes no path that is taken', async () => {
        const fabric = await open();
        const path = harness.newPath('arena');
        harness.writeFile(path, pattern('mine', 100));
        await expect(fabric.createArena({ path, pageBytes, pages })).rejects.toMatchObject({
          code: 'arena_unavailable',
        });
        expectSame(harness.readFile(path), pattern('mine', 100));
      });

      it.each([
        ['no pages', { pageBytes, pages: 0 }],
        ['a negative size', { pageBytes: -4096, pages }],
        ['half a page', { pageBytes: 4096.5, pages }],
        ['a size that is no number', { pageBytes, pages: Number.NaN }],
        ['more than there is', { pageBytes: tooManyBytes, pages: 1 }],
      ])('is refused for %s, and may be asked for again', async (_, size) => {
        const fabric = await open();
        const path = harness.newPath('arena');
        await expect(fabric.createArena({ path, ...size })).rejects.toMatchObject({ code: 'arena_unavailable' });
        expect(harness.exists(path)).toBe(false);
        await fabric.createArena({ path, pageBytes, pages });
      });

      it('is refused at a relative path', async () => {
        const fabric = await open();
        await expect(fabric.createArena({ path: 'arena', pageBytes, pages })).rejects.toMatchObject({
          code: 'arena_unavailable',
        });
      });

      it('is the only one of its fabric', async () => {
        const { fabric } = await openReceiver();
        const path = harness.newPath('second');
        await expect(fabric.createArena({ path, pageBytes, pages })).rejects.toMatchObject({
          code: 'arena_unavailable',
        });
        expect(harness.exists(path)).toBe(false);
      });
    });

    describe('grants', () => {
      it('are refused without an arena, and for a provider that is not offered', async () => {
        const fabric = await open();
        await expect(fabric.grant(harness.provider)).rejects.toMatchObject({ code: 'provider_unavailable' });
        const receiver = await openReceiver();
        await expect(receiver.fabric.grant('verbs')).rejects.toMatchObject({ code: 'provider_unavailable' });
      });

      it('have ids and tokens of their own', async () => {
        const one = await openReceiver();
        const other = await openReceiver({ pageBytes: 4096, pages: 2 });
        const grants = [
          await one.fabric.grant(harness.provider),
          await one.fabric.grant(harness.provider),
          await other.fabric.grant(harness.provider),
        ];
        expect(new Set(grants.map(({ id }) => id)).size).toBe(3);
        expect(new Set(grants.map(({ token }) => token)).size).toBe(3);
        expect(grants.map(({ arenaBytes }) => arenaBytes)).toEqual([pageBytes * pages, pageBytes * pages, 8192]);
        expect(grants.map(({ provider }) => provider)).toEqual(Array(3).fill(harness.provider));
      });

      it('can be revoked twice, and when they never were', async () => {
        const { fabric, grant } = await openPair();
        await fabric.revoke(grant.id);
        await fabric.revoke(grant.id);
        await fabric.revoke('never given');
      });
    });

    describe('segments', () => {
      it('say how large they are', async () => {
        const fabric = await open();
        const path = harness.newPath('segment');
        harness.writeFile(path, pattern('s', 12_345));
        expect(await fabric.attachSegment('s', path)).toEqual({ bytes: 12_345 });
      });

      it('must be files with something in them', async () => {
        const fabric = await open();
        const missing = harness.newPath('missing');
        await expect(fabric.attachSegment('s', missing)).rejects.toMatchObject({ code: 'segment_not_found' });
        const empty = harness.newPath('empty');
        harness.writeFile(empty, new Uint8Array());
        await expect(fabric.attachSegment('s', empty)).rejects.toMatchObject({ code: 'segment_invalid' });
        const directory = harness.newPath('directory');
        harness.makeDirectory(directory);
        await expect(fabric.attachSegment('s', directory)).rejects.toMatchObject({ code: 'segment_invalid' });
        await attach(fabric, 's', pattern('s', 100));
      });

      it('have names of their own, and give them back', async () => {
        const fabric = await open();
        const path = await attach(fabric, 's', pattern('s', 100));
        await expect(fabric.attachSegment('s', path)).rejects.toMatchObject({ code: 'segment_exists' });
        await fabric.detachSegment('s');
        await expect(fabric.detachSegment('s')).rejects.toMatchObject({ code: 'segment_not_found' });
        expect(await fabric.attachSegment('s', path)).toEqual({ bytes: 100 });
        await expect(fabric.detachSegment('other')).rejects.toMatchObject({ code: 'segment_not_found' });
      });

      it('can be made, written from, and are gone after close', async () => {
        const { sender, connection, path: arena } = await openPair();
        const path = harness.newPath('lent');
        await sender.createSegment('lent', path, 8192);
        harness.scribble(path, 0, pattern('lent', 8192));
        expect(await connection.write([item('lent', 0, 4096, 8192)]).done).toEqual({
          status: 'delivered',
          bytes: 8192,
        });
        expectSame(harness.readFile(arena, { offset: 4096, length: 8192 }), pattern('lent', 8192));
        await sender.close();
        expect(harness.exists(path)).toBe(false);
      });

      it('are not made where something is, of no size, or of more than there is', async () => {
        const fabric = await open();
        const taken = harness.newPath('taken');
        harness.writeFile(taken, pattern('taken', 10));
        const path = harness.newPath('lent');
        await expect(fabric.createSegment('s', taken, 4096)).rejects.toMatchObject({ code: 'arena_unavailable' });
        await expect(fabric.createSegment('s', path, 0)).rejects.toMatchObject({ code: 'arena_unavailable' });
        await expect(fabric.createSegment('s', path, tooManyBytes)).rejects.toMatchObject({
          code: 'arena_unavailable',
        });
        await fabric.createSegment('s', path, 4096);
        await expect(fabric.createSegment('s', harness.newPath('other'), 4096)).rejects.toMatchObject({
          code: 'segment_exists',
        });
        await expect(fabric.attachSegment('s', path)).rejects.toMatchObject({ code: 'segment_exists' });
      });

      it('stay until the writes that use them have ended', async () => {
        const { sender, connection, path } = await openPair();
        const bytes = pattern('s', pageBytes * pages);
        await attach(sender, 's', bytes);
        const order: string[] = [];
        const write = connection.write([item('s', 0, 0, bytes.length)]);
        void write.done.then(() => order.push('written'));
        const detached = sender.detachSegment('s').then(() => order.push('detached'));
        expect(await connection.write([item('s', 0, 0, 1)]).done).toMatchObject({
          status: 'failed',
          code: 'segment_invalid',
        });
        expect(await write.done).toEqual({ status: 'delivered', bytes: bytes.length });
        await detached;
        expect(order).toEqual(['written', 'detached']);
        expectSame(harness.readFile(path), bytes);
      });
    });

    describe('connecting', () => {
      it('is refused by one who is gone', async () => {
        const receiver = await openReceiver();
        const grant = await receiver.fabric.grant(harness.provider);
        await receiver.fabric.close();
        const sender = await open();
        await expect(sender.connect(receiver.endpoint, grant, { timeoutMs: 200 })).rejects.toMatchObject({
          code: 'connection_failed',
        });
      });

      it('is refused under a revoked grant', async () => {
        const receiver = await openReceiver();
        const grant = await receiver.fabric.grant(harness.provider);
        await receiver.fabric.revoke(grant.id);
        const sender = await open();
        await expect(sender.connect(receiver.endpoint, grant, { timeoutMs: 200 })).rejects.toMatchObject({
          code: 'connection_failed',
        });
      });

      it('is refused with a token that nobody gave', async () => {
        const receiver = await openReceiver();
        const other = await openReceiver();
        const grant = await receiver.fabric.grant(harness.provider);
        const foreign = await other.fabric.grant(harness.provider);
        const sender = await open();
        for (const token of [foreign.token, changed(grant.token), 'no token', '']) {
          await expect(
            sender.connect(receiver.endpoint, { ...grant, token }, { timeoutMs: 200 }),
          ).rejects.toMatchObject({ code: 'connection_failed' });
        }
      });

      it('is refused for a provider that is not open', async () => {
        const receiver = await openReceiver();
        const grant = await receiver.fabric.grant(harness.provider);
        const sender = await open();
        const endpoint: FabricEndpoint = { ...receiver.endpoint, provider: 'verbs' };
        expect(sender.canReach(endpoint)).toBe(false);
        await expect(sender.connect(endpoint, grant, { timeoutMs })).rejects.toMatchObject({
          code: 'provider_unavailable',
        });
      });

      it('can be decided beforehand', async () => {
        const receiver = await openReceiver();
        const sender = await open();
        expect(sender.canReach(receiver.endpoint)).toBe(true);
        await sender.close();
        expect(sender.canReach(receiver.endpoint)).toBe(false);
      });

      it('goes both ways at once', async () => {
        const one = await openReceiver();
        const other = await openReceiver();
        const there = await join(one.fabric, other);
        const back = await join(other.fabric, one);
        await attach(one.fabric, 's', pattern('one', pageBytes));
        await attach(other.fabric, 's', pattern('other', pageBytes));
        const outcomes = await Promise.all([
          there.connection.write([item('s', 0, 0, pageBytes)]).done,
          back.connection.write([item('s', 0, pageBytes, pageBytes)]).done,
        ]);
        expect(outcomes).toEqual(Array(2).fill({ status: 'delivered', bytes: pageBytes }));
        expectSame(harness.readFile(other.path, { offset: 0, length: pageBytes }), pattern('one', pageBytes));
        expectSame(harness.readFile(one.path, { offset: pageBytes, length: pageBytes }), pattern('other', pageBytes));
      });
    });

    describe('writing', () => {
      it('puts exactly the pages where they belong, and touches nothing else', async () => {
        const { fabric, path, endpoint, sender, connection } = await openPair();
        const source = pattern('source', pageBytes * 4);
        await attach(sender, 's', source);
        fill({ fabric, path, endpoint }, 'canary');
        const expected = pattern('canary', pageBytes * pages);
        const moves: readonly (readonly [from: number, to: number])[] = [
          [0, 7],
          [3, 2],
          [1, 15],
          [2, 0],
        ];
        for (const [from, to] of moves) {
          expected.set(source.subarray(from * pageBytes, (from + 1) * pageBytes), to * pageBytes);
        }
        const items = moves.map(([from, to]) => item('s', from * pageBytes, to * pageBytes, pageBytes));
        expect(await connection.write(items).done).toEqual({ status: 'delivered', bytes: pageBytes * 4 });
        expectSame(harness.readFile(path), expected);
      });

      it('joins items that follow each other and keeps apart those that do not', async () => {
        const { path, sender, connection } = await openPair();
        const source = pattern('source', pageBytes);
        await attach(sender, 's', source);
        const expected = new Uint8Array(pageBytes * pages);
        const items: WriteItem[] = [];
        for (let i = 0; i < 64; i++) {
          const from = i * KiB;
          const to = i % 7 === 0 ? 2 * pageBytes + from : pageBytes + from;
          items.push(item('s', from, to, KiB));
          expected.set(source.subarray(from, from + KiB), to);
        }
        expect(await connection.write(items).done).toEqual({ status: 'delivered', bytes: pageBytes });
        expectSame(harness.readFile(path), expected);
      });

      it('takes several segments in one write', async () => {
        const { path, sender, connection } = await openPair();
        await attach(sender, 'a', pattern('a', 5000));
        await attach(sender, 'b', pattern('b', 7000));
        const outcome = await connection.write([item('a', 0, 100, 5000), item('b', 0, 5100, 7000)]).done;
        expect(outcome).toEqual({ status: 'delivered', bytes: 12_000 });
        expectSame(harness.readFile(path, { offset: 100, length: 5000 }), pattern('a', 5000));
        expectSame(harness.readFile(path, { offset: 5100, length: 7000 }), pattern('b', 7000));
      });

      it.each([1, 63, 4096, 16 * KiB + 1, MiB - 1, MiB, 3 * MiB + 5, 40 * MiB])(
        'delivers %i bytes at an odd place',
        async (bytes) => {
          const { path, sender, connection } = await openPair({ pageBytes: bytes + 100, pages: 1 });
          await attach(sender, 's', pattern('large', bytes + 7));
          expect(await connection.write([item('s', 7, 33, bytes)]).done).toEqual({ status: 'delivered', bytes });
          expectSame(harness.readFile(path, { offset: 33, length: bytes }), pattern('large', bytes + 7).subarray(7));
          expectSame(harness.readFile(path, { offset: 0, length: 33 }), new Uint8Array(33));
          expectSame(harness.readFile(path, { offset: 33 + bytes, length: 67 }), new Uint8Array(67));
        },
      );

      it('of nothing is delivered', async () => {
        const { sender, connection } = await openPair();
        await attach(sender, 's', pattern('s', 10));
        expect(await connection.write([]).done).toEqual({ status: 'delivered', bytes: 0 });
        expect(await connection.write([item('s', 10, 5, 0)]).done).toEqual({ status: 'delivered', bytes: 0 });
      });

      it('sees what the engine wrote after the segment was attached', async () => {
        const { path, sender, connection } = await openPair();
        const segment = await attach(sender, 's', pattern('old', pageBytes));
        for (const key of ['new', 'newer']) {
          harness.scribble(segment, 0, pattern(key, pageBytes));
          await connection.write([item('s', 0, 0, pageBytes)]).done;
          expectSame(harness.readFile(path, { offset: 0, length: pageBytes }), pattern(key, pageBytes));
        }
      });

      it('does not make a short write wait for a long one', async () => {
        const { sender, connection } = await openPair();
        await attach(sender, 's', pattern('s', pageBytes * pages));
        const order: string[] = [];
        const long = connection.write(repeated('s', 256 * MiB));
        void long.done.then(() => order.push('long'));
        const short = connection.write([item('s', 0, 0, 1)]);
        void short.done.then(() => order.push('short'));
        await Promise.all([long.done, short.done]);
        expect(order).toEqual(['short', 'long']);
      });

      it('of two senders at once lands whole', async () => {
        const receiver = await openReceiver();
        const keys = ['one', 'other'];
        const outcomes = await Promise.all(
          keys.map(async (key, index) => {
            const sender = await open();
            await attach(sender, 's', pattern(key, 4 * pageBytes));
            const { connection } = await join(sender, receiver);
            return connection.write([item('s', 0, index * 4 * pageBytes, 4 * pageBytes)]).done;
          }),
        );
        expect(outcomes).toEqual(Array(2).fill({ status: 'delivered', bytes: 4 * pageBytes }));
        for (const [index, key] of keys.entries()) {
          const region = { offset: index * 4 * pageBytes, length: 4 * pageBytes };
          expectSame(harness.readFile(receiver.path, region), pattern(key, 4 * pageBytes));
        }
      });

      it.each([
        ['beyond the end', pageBytes - 9, 10],
        ['at the end', pageBytes, 1],
        ['far away', tooManyBytes, 1],
        ['of more than numbers can say', 1, Number.MAX_SAFE_INTEGER],
        ['before the start', -1, 10],
        ['of negative length', 0, -1],
        ['of half a byte', 0.5, 1],
        ['of no number', 0, Number.NaN],
      ])('from a range %s of the segment fails, and nothing of the write lands', async (_, offset, length) => {
        const pair = await openPair();
        await attach(pair.sender, 's', pattern('s', pageBytes));
        const unchanged = fill(pair, 'canary');
        const outcome = await pair.connection.write([item('s', 0, 0, 100), item('s', offset, 200, length)]).done;
        expect(outcome).toMatchObject({ status: 'failed', code: 'segment_invalid', bytes: 0, drained: true });
        unchanged();
      });

      it('from an unknown segment fails', async () => {
        const { connection } = await openPair();
        expect(await connection.write([item('unknown', 0, 0, 1)]).done).toMatchObject({
          status: 'failed',
          code: 'segment_invalid',
          bytes: 0,
          drained: true,
        });
      });

      it.each([
        ['across the end of', pageBytes * pages - 5, 10],
        ['behind', pageBytes * pages, 1],
        ['far behind', tooManyBytes, 1],
        ['before', -1, 1],
      ])('%s the arena is rejected, and nothing of the write lands', async (_, offset, length) => {
        const pair = await openPair();
        await attach(pair.sender, 's', pattern('s', pageBytes));
        const unchanged = fill(pair, 'canary');
        const outcome = await pair.connection.write([item('s', 0, 0, 100), item('s', 0, offset, length)]).done;
        expect(outcome).toMatchObject({ status: 'failed', code: 'write_rejected', bytes: 0, drained: true });
        unchanged();
        expect(await pair.connection.write([item('s', 0, 0, 10)]).done).toEqual({ status: 'delivered', bytes: 10 });
      });

      it('is bounded by the arena there is, not by the size the grant claims', async () => {
        const receiver = await openReceiver();
        const sender = await open();
        await attach(sender, 's', pattern('s', pageBytes));
        const grant = { ...(await receiver.fabric.grant(harness.provider)), arenaBytes: tooManyBytes };
        const connection = await sender.connect(receiver.endpoint, grant, { timeoutMs });
        const unchanged = fill(receiver, 'canary');
        expect(await connection.write([item('s', 0, pageBytes * pages - 5, 10)]).done).toMatchObject({
          status: 'failed',
          code: 'write_rejected',
        });
        unchanged();
      });
    });

    describe('fencing', () => {
      it('a late write lands nothing and is told so; a new grant works', async () => {
        const pair = await openPair();
        const { fabric, path, grant, sender, connection } = pair;
        await attach(sender, 's', pattern('late', pageBytes));
        expect(await connection.write([item('s', 0, 0, pageBytes)]).done).toEqual({
          status: 'delivered',
          bytes: pageBytes,
        });
        await fabric.revoke(grant.id);
        const unchanged = fill(pair, 'canary');
        for (const target of [0, pageBytes]) {
          expect(await connection.write([item('s', 0, target, pageBytes)]).done).toMatchObject({
            status: 'failed',
            code: 'write_rejected',
            bytes: 0,
            drained: true,
          });
        }
        unchanged();
        const renewed = await join(sender, pair);
        expect(await renewed.connection.write([item('s', 0, pageBytes, 100)]).done).toEqual({
          status: 'delivered',
          bytes: 100,
        });
        expectSame(harness.readFile(path, { offset: pageBytes, length: 100 }), pattern('late', 100));
        expect(await connection.write([item('s', 0, 0, 1)]).done).toMatchObject({ code: 'write_rejected' });
      });

      it('a write that is in flight is cut off: nothing lands once the revocation has been answered', async () => {
        const pair = await openPair();
        await attach(pair.sender, 's', pattern('zombie', pageBytes * pages));
        const zombie = writeUntilItEnds(pair.connection, 's');
        await untilSomethingLanded(pair);
        await pair.fabric.revoke(pair.grant.id);
        const unchanged = fill(pair, 'canary');
        expect(await zombie).toMatchObject({ status: 'failed', code: 'write_rejected', drained: true });
        unchanged();
      });

      it('revoking one sender leaves the other alone', async () => {
        const receiver = await openReceiver();
        const [fenced, other] = [await open(), await open()];
        await attach(fenced, 's', pattern('fenced', pageBytes * pages));
        await attach(other, 's', pattern('other', pageBytes));
        const first = await join(fenced, receiver);
        const second = await join(other, receiver);
        const zombie = writeUntilItEnds(first.connection, 's');
        await untilSomethingLanded(receiver);
        await receiver.fabric.revoke(first.grant.id);
        expect(await zombie).toMatchObject({ status: 'failed', code: 'write_rejected' });
        expect(await second.connection.write([item('s', 0, 0, pageBytes)]).done).toEqual({
          status: 'delivered',
          bytes: pageBytes,
        });
        expectSame(harness.readFile(receiver.path, { offset: 0, length: pageBytes }), pattern('other', pageBytes));
      });
    });

    describe('stopping', () => {
      it('posts nothing more and says so when what was posted has landed', async () => {
        const pair = await openPair();
        await attach(pair.sender, 's', pattern('s', pageBytes * pages));
        const write = pair.connection.write(repeated('s', 64 * 1024 * MiB));
        await untilSomethingLanded(pair);
        write.stop();
        write.stop();
        const outcome = await write.done;
        expect(outcome).toMatchObject({ status: 'stopped', drained: true });
        expect(outcome.bytes).toBeGreaterThan(0);
        fill(pair, 'canary')();
        expect(await pair.connection.write([item('s', 0, 0, 10)]).done).toEqual({ status: 'delivered', bytes: 10 });
        write.stop();
      });

      it('after everything was posted changes nothing', async () => {
        const { sender, connection } = await openPair();
        await attach(sender, 's', pattern('s', 100));
        const write = connection.write([item('s', 0, 0, 100)]);
        expect(await write.done).toEqual({ status: 'delivered', bytes: 100 });
        write.stop();
        expect(await write.done).toEqual({ status: 'delivered', bytes: 100 });
      });
    });

    describe('a source that shrinks', () => {
      it('before a write makes it fail; the connection stays usable', async () => {
        const pair = await openPair();
        const path = await attach(pair.sender, 's', pattern('s', pageBytes * 2));
        await attach(pair.sender, 'other', pattern('other', 100));
        harness.truncate(path, pageBytes);
        const unchanged = fill(pair, 'canary');
        expect(await pair.connection.write([item('s', pageBytes - 10, 0, 20)]).done).toMatchObject({
          status: 'failed',
          code: 'segment_invalid',
          bytes: 0,
          drained: true,
        });
        unchanged();
        expect(await pair.connection.write([item('other', 0, 0, 100)]).done).toEqual({
          status: 'delivered',
          bytes: 100,
        });
      });

      it('during a write makes it fail, and nobody crashes; the connection stays usable', async () => {
        const pair = await openPair();
        const path = await attach(pair.sender, 's', pattern('s', pageBytes * pages));
        const write = writeUntilItEnds(pair.connection, 's');
        await untilSomethingLanded(pair);
        harness.truncate(path, pageBytes);
        expect(await write).toMatchObject({ status: 'failed', code: 'segment_invalid', drained: true });
        await pair.sender.detachSegment('s');
        await attach(pair.sender, 's', pattern('again', pageBytes));
        expect(await pair.connection.write([item('s', 0, 0, pageBytes)]).done).toEqual({
          status: 'delivered',
          bytes: pageBytes,
        });
        expectSame(harness.readFile(pair.path, { offset: 0, length: pageBytes }), pattern('again', pageBytes));
      });
    });

    describe('ends', () => {
      it('closing a connection ends its writes', async () => {
        const { sender, connection } = await openPair();
        await attach(sender, 's', pattern('s', pageBytes * pages));
        const writes = [connection.write(repeated('s', 64 * 1024 * MiB)), connection.write(repeated('s', 1024 * MiB))];
        await Promise.all([connection.close(), connection.close()]);
        for (const { done } of writes) {
          expect(await done).toMatchObject({ status: 'failed', code: 'connection_lost' });
        }
        expect(await connection.write([item('s', 0, 0, 1)]).done).toMatchObject({
          status: 'failed',
          code: 'connection_lost',
          bytes: 0,
          drained: true,
        });
        await connection.close();
        await sender.detachSegment('s');
      });

      it('closing one connection leaves the other alone', async () => {
        const pair = await openPair();
        await attach(pair.sender, 's', pattern('s', pageBytes));
        const { connection } = await join(pair.sender, pair);
        await pair.connection.close();
        expect(await connection.write([item('s', 0, 0, pageBytes)]).done).toEqual({
          status: 'delivered',
          bytes: pageBytes,
        });
      });

      it('a receiver that closes during a write is noticed', async () => {
        const pair = await openPair();
        await attach(pair.sender, 's', pattern('s', pageBytes * pages));
        const write = writeUntilItEnds(pair.connection, 's');
        await untilSomethingLanded(pair);
        await pair.fabric.close();
        expect(await write).toMatchObject({ status: 'failed', code: 'connection_lost' });
      });

      it('a receiver that closed between writes is noticed', async () => {
        const { fabric, sender, connection } = await openPair();
        await attach(sender, 's', pattern('s', 100));
        await fabric.close();
        expect(await connection.write([item('s', 0, 0, 100)]).done).toMatchObject({
          status: 'failed',
          code: 'connection_lost',
          bytes: 0,
        });
      });

      it('closing a sender ends its writes', async () => {
        const pair = await openPair();
        await attach(pair.sender, 's', pattern('s', pageBytes * pages));
        const write = pair.connection.write(repeated('s', 64 * 1024 * MiB));
        await untilSomethingLanded(pair);
        await Promise.all([pair.sender.close(), pair.sender.close()]);
        expect(await write.done).toMatchObject({ status: 'failed', code: 'connection_lost' });
        write.stop();
        expect(await pair.connection.write([item('s', 0, 0, 1)]).done).toMatchObject({ code: 'connection_lost' });
        await pair.connection.close();
      });

      it('a fabric that is closed says so', async () => {
        const { fabric, path, endpoint, grant, sender } = await openPair();
        await sender.close();
        await fabric.close();
        await fabric.close();
        const closed = { code: 'closed' };
        await expect(fabric.createArena({ path, pageBytes, pages })).rejects.toMatchObject(closed);
        await expect(fabric.grant(harness.provider)).rejects.toMatchObject(closed);
        await expect(fabric.attachSegment('s', path)).rejects.toMatchObject(closed);
        await expect(fabric.createSegment('s', path, 4096)).rejects.toMatchObject(closed);
        await expect(fabric.detachSegment('s')).rejects.toMatchObject(closed);
        await expect(fabric.connect(endpoint, grant, { timeoutMs })).rejects.toMatchObject(closed);
        await fabric.revoke(grant.id);
        expect(fabric.endpoints()).toEqual([]);
      });

      it.each([
        ['sender, connection, receiver', ['sender', 'connection', 'receiver']],
        ['receiver, sender, connection', ['receiver', 'sender', 'connection']],
        ['connection, receiver, sender', ['connection', 'receiver', 'sender']],
      ] as const)('in the order %s, with a write in flight', async (_, order) => {
        const { fabric, sender, connection } = await openPair();
        await attach(sender, 's', pattern('s', pageBytes * pages));
        const write = connection.write(repeated('s', 64 * 1024 * MiB));
        const close = { sender, connection, receiver: fabric };
        for (const what of order) await close[what].close();
        expect(await write.done).toMatchObject({ status: 'failed', code: 'connection_lost' });
      });

      it('closing at once, while everything is still being set up', async () => {
        const fabric = await open();
        const beginnings = Promise.allSettled([
          fabric.createArena({ path: harness.newPath('arena'), pageBytes, pages }),
          fabric.createSegment('s', harness.newPath('s'), 4096),
          fabric.grant(harness.provider),
        ]);
        await fabric.close();
        for (const beginning of await beginnings) {
          if (beginning.status === 'rejected') {
            expect(beginning.reason).toMatchObject({ code: expect.stringMatching(/^(closed|provider_unavailable)$/) });
          }
        }
      });
    });
  });
}

function item(segment: string, sourceOffset: number, targetOffset: number, length: number): WriteItem {
  return { segment, sourceOffset, targetOffset, length };
}

/** The whole segment to the whole arena, over and over. */
function repeated(segment: string, bytes: number): WriteItem[] {
  const once = pageBytes * pages;
  return Array.from({ length: bytes / once }, () => item(segment, 0, 0, once));
}

/** Keeps a write in flight until one is not delivered. */
async function writeUntilItEnds(connection: FabricConnection, segment: string): Promise<WriteOutcome> {
  for (;;) {
    const outcome = await connection.write(repeated(segment, 64 * MiB)).done;
    if (outcome.status !== 'delivered') return outcome;
  }
}

/** Compares without printing megabytes. */
function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  expect(actual.length).toBe(expected.length);
  const at = Buffer.compare(actual, expected) === 0 ? -1 : actual.findIndex((byte, index) => byte !== expected[index]);
  expect(at, 'first byte that differs').toBe(-1);
}

/** The token with its last character changed. */
function changed(token: string): string {
  return token.slice(0, -1) + (token.endsWith('1') ? '2' : '1');
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
