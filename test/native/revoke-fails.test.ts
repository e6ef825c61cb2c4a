/** P5: libfabric does not close what fences a sender. Then the grant is not revoked, and the agent learns it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { FabricEndpoint } from '../../src/ports/fabric.js';
import { connectedPair } from './connected-pair.js';
import { useEfaStandIn } from './efa-stand-in.js';

const directory = mkdtempSync('/dev/shm/kvferry-test-');
const busy = join(directory, 'busy');
// The stand-in looks for it in the environment of the process.
process.env['KVFERRY_STAND_IN_IS_BUSY'] = busy;
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const reason = useEfaStandIn();
const name = `revoking${reason === undefined ? '' : ` (cannot run here: ${reason})`}`;

describe.skipIf(reason !== undefined)(name, () => {
  test('P5: what fences a sender does not close → revoke rejects, and succeeds later', async () => {
    const { receiver, sender, grant } = await connectedPair('efa', { pageBytes: 4096, pages: 1 });
    writeFileSync(busy, '');
    const refusal = {
      code: 'fabric_error',
      message: expect.stringMatching(/^libfabric did not close the arena's registration for a grant: .+busy$/),
    };
    await expect(receiver.revoke(grant.id)).rejects.toMatchObject(refusal);
    // No connection is made under it any more.
    const endpoint = receiver.endpoints()[0] as FabricEndpoint;
    await expect(sender.connect(endpoint, grant, { timeoutMs: 200 })).rejects.toMatchObject({
      code: 'connection_failed',
    });
    rmSync(busy);
    await receiver.revoke(grant.id);
  });
});
