/**
 * The fence of providers without connections, where each grant has a remote key: libfabric must refuse a write whose key or
 * range was made up, whatever our own checks say.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import type { FabricEndpoint, FabricGrant, FabricPort } from '../../src/ports/fabric.js';
import { patient } from '../../src/processes/patience.js';
import { whyNot } from '../contract/native-harness.js';
import { pattern } from '../contract/pattern.js';

const pageBytes = 64 * 1024;
const timeoutMs = patient(10_000);
const reason = whyNot('net');
/** Fields of a token: endpoint, then key and base of the arena, then others. */
const keyField = 1;
const baseField = 2;

describe.skipIf(reason !== undefined)(
  `remote keys${reason === undefined ? '' : ` (cannot run here: ${reason})`}`,
  () => {
    let directory: string;
    let receiver: FabricPort;
    let sender: FabricPort;

    beforeEach(async () => {
      directory = mkdtempSync('/dev/shm/kvferry-test-');
      receiver = await openNativeFabric({ providers: ['net'] });
      sender = await openNativeFabric({ providers: ['net'] });
      await receiver.createArena({ path: join(directory, 'arena'), pageBytes, pages: 4 });
      writeFileSync(join(directory, 'segment'), pattern('forged', pageBytes));
      await sender.attachSegment('s', join(directory, 'segment'));
    });

    afterEach(async () => {
      await Promise.all([sender.close(), receiver.close()]);
      rmSync(directory, { recursive: true });
    });

    function forge(grant: FabricGrant, field: number, value: string): FabricGrant {
      const fields = grant.token.split(':');
      fields[field] = value;
      return { ...grant, token: fields.join(':') };
    }

    test('the key of a revoked grant opens nothing, by way of a live one either', async () => {
      const endpoint = receiver.endpoints()[0] as FabricEndpoint;
      const revoked = await receiver.grant('net');
      const key = revoked.token.split(':')[keyField] as string;
      await receiver.revoke(revoked.id);
      const zombie = await sender.connect(endpoint, forge(await receiver.grant('net'), keyField, key), { timeoutMs });
      const items = [{ segment: 's', sourceOffset: 0, targetOffset: 0, length: pageBytes }];
      expect(await zombie.write(items).done).toMatchObject({ status: 'failed', bytes: 0 });
      expect(Buffer.compare(readFileSync(join(directory, 'arena')), new Uint8Array(4 * pageBytes))).toBe(0);
    });

    test.each([
      ['key', keyField, 'badbadbadbad'],
      ['key of 0', keyField, '0'],
      ['address beyond the arena', baseField, '40000'],
      ['address far away', baseField, '7f0000000000'],
      ['address that overflows', baseField, 'ffffffffffffff00'],
    ])('with a made-up %s nothing lands, and others are not disturbed', async (_, field, value) => {
      const endpoint = receiver.endpoints()[0] as FabricEndpoint;
      const honest = await sender.connect(endpoint, await receiver.grant('net'), { timeoutMs });
      const grant = await receiver.grant('net');
      const forged = await sender.connect(endpoint, forge(grant, field, value), { timeoutMs });
      const items = [{ segment: 's', sourceOffset: 0, targetOffset: 0, length: pageBytes }];
      expect(await forged.write(items).done).toMatchObject({ status: 'failed', bytes: 0 });
      expect(Buffer.compare(readFileSync(join(directory, 'arena')), new Uint8Array(4 * pageBytes))).toBe(0);
      expect(await honest.write(items).done).toEqual({ status: 'delivered', bytes: pageBytes });
      const again = await sender.connect(endpoint, grant, { timeoutMs });
      expect(await again.write(items).done).toEqual({ status: 'delivered', bytes: pageBytes });
    });
  },
);
