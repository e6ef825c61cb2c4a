/** Grants: the remote keys under which a sender may write to an arena. */
import { describe, expect, test } from 'vitest';
import type { Fabrics } from './fabrics.js';
import { pageBytes, pages } from './writes.js';

export function describeGrants(fabrics: Fabrics): void {
  describe('grants', () => {
    test('are refused without an arena, and for a provider that is not offered', async () => {
      const fabric = await fabrics.open();
      await expect(fabric.grant(fabrics.harness.provider)).rejects.toMatchObject({ code: 'provider_unavailable' });
      const receiver = await fabrics.openReceiver();
      await expect(receiver.fabric.grant(fabrics.otherProvider)).rejects.toMatchObject({
        code: 'provider_unavailable',
      });
    });

    test('have ids and tokens of their own', async () => {
      const one = await fabrics.openReceiver();
      const other = await fabrics.openReceiver({ pageBytes: 4096, pages: 2 });
      const grants = [
        await one.fabric.grant(fabrics.harness.provider),
        await one.fabric.grant(fabrics.harness.provider),
        await other.fabric.grant(fabrics.harness.provider),
      ];
      expect(new Set(grants.map(({ id }) => id)).size).toBe(3);
      expect(new Set(grants.map(({ token }) => token)).size).toBe(3);
      expect(grants.map(({ arenaBytes }) => arenaBytes)).toEqual([pageBytes * pages, pageBytes * pages, 8192]);
      expect(grants.map(({ provider }) => provider)).toEqual(Array(3).fill(fabrics.harness.provider));
    });

    test('can be revoked twice, and when they never were', async () => {
      const { fabric, grant } = await fabrics.openPair();
      await fabric.revoke(grant.id);
      await fabric.revoke(grant.id);
      await fabric.revoke('never given');
    });
  });
}
