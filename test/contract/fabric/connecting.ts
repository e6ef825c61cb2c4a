/** Connecting a sender to a receiver under a grant. */
import { describe, expect, test } from 'vitest';
import type { FabricEndpoint } from '../../../src/ports/fabric.js';
import { pattern } from '../pattern.js';
import type { Fabrics } from './fabrics.js';
import { expectSame, item, pageBytes, timeoutMs } from './writes.js';

export function describeConnecting(fabrics: Fabrics): void {
  describe('connecting', () => {
    test('is refused by one who is gone', async () => {
      const receiver = await fabrics.openReceiver();
      const grant = await receiver.fabric.grant(fabrics.harness.provider);
      await receiver.fabric.close();
      const sender = await fabrics.open();
      await expect(sender.connect(receiver.endpoint, grant, { timeoutMs: 200 })).rejects.toMatchObject({
        code: 'connection_failed',
      });
    });

    test('is refused under a revoked grant', async () => {
      const receiver = await fabrics.openReceiver();
      const grant = await receiver.fabric.grant(fabrics.harness.provider);
      await receiver.fabric.revoke(grant.id);
      const sender = await fabrics.open();
      await expect(sender.connect(receiver.endpoint, grant, { timeoutMs: 200 })).rejects.toMatchObject({
        code: 'connection_failed',
      });
    });

    test('is refused with a token that nobody gave', async () => {
      const receiver = await fabrics.openReceiver();
      const other = await fabrics.openReceiver();
      const grant = await receiver.fabric.grant(fabrics.harness.provider);
      const foreign = await other.fabric.grant(fabrics.harness.provider);
      const sender = await fabrics.open();
      for (const token of [foreign.token, changed(grant.token), 'no token', '']) {
        await expect(sender.connect(receiver.endpoint, { ...grant, token }, { timeoutMs: 200 })).rejects.toMatchObject({
          code: 'connection_failed',
        });
      }
    });

    test('20 connections under a grant, one after the other → the last one writes', async () => {
      const receiver = await fabrics.openReceiver();
      const grant = await receiver.fabric.grant(fabrics.harness.provider);
      const sender = await fabrics.open();
      await fabrics.attach(sender, 's', pattern('s', pageBytes));
      const connect = () => sender.connect(receiver.endpoint, grant, { timeoutMs });
      for (let earlier = 0; earlier < 19; earlier++) await (await connect()).close();
      const last = await connect();
      expect(await last.write([item('s', 0, 0, 100)]).done).toEqual({ status: 'delivered', bytes: 100 });
    });

    test('is refused for a provider that is not open', async () => {
      const receiver = await fabrics.openReceiver();
      const grant = await receiver.fabric.grant(fabrics.harness.provider);
      const sender = await fabrics.open();
      const endpoint: FabricEndpoint = { ...receiver.endpoint, provider: fabrics.otherProvider };
      expect(sender.unreachable(endpoint)).toEqual(expect.any(String));
      await expect(sender.connect(endpoint, grant, { timeoutMs })).rejects.toMatchObject({
        code: 'provider_unavailable',
      });
    });

    test('can be decided beforehand', async () => {
      const receiver = await fabrics.openReceiver();
      const sender = await fabrics.open();
      expect(sender.unreachable(receiver.endpoint)).toBeUndefined();
      await sender.close();
      expect(sender.unreachable(receiver.endpoint)).toBe('the fabric is closed');
    });

    test('goes both ways at once', async () => {
      const one = await fabrics.openReceiver();
      const other = await fabrics.openReceiver();
      const there = await fabrics.join(one.fabric, other);
      const back = await fabrics.join(other.fabric, one);
      await fabrics.attach(one.fabric, 's', pattern('one', pageBytes));
      await fabrics.attach(other.fabric, 's', pattern('other', pageBytes));
      const outcomes = await Promise.all([
        there.connection.write([item('s', 0, 0, pageBytes)]).done,
        back.connection.write([item('s', 0, pageBytes, pageBytes)]).done,
      ]);
      expect(outcomes).toEqual(Array(2).fill({ status: 'delivered', bytes: pageBytes }));
      expectSame(fabrics.harness.readFile(other.path, { offset: 0, length: pageBytes }), pattern('one', pageBytes));
      expectSame(
        fabrics.harness.readFile(one.path, { offset: pageBytes, length: pageBytes }),
        pattern('other', pageBytes),
      );
    });
  });
}

/** The token with its last character changed. */
function changed(token: string): string {
  return token.slice(0, -1) + (token.endsWith('1') ? '2' : '1');
}
