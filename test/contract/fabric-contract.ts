/**
 * What every implementation of the fabric port must do. `describeFabric` runs it on one of them; the harness gives the
 * cases fabrics and files of that implementation's world.
 *
 * Nothing here waits for a time. A case that needs something to be in flight keeps it in flight: it writes again and
 * again until the fabric says no (`writeUntilItEnds`), so that it does not matter how fast this machine is.
 */
import { describe } from 'vitest';
import { describeArena } from './fabric/arena.js';
import { describeClosing } from './fabric/closing.js';
import { describeConnecting } from './fabric/connecting.js';
import type { FabricHarness } from './fabric/fabric-harness.js';
import { Fabrics } from './fabric/fabrics.js';
import { describeFencing } from './fabric/fencing.js';
import { describeGrants } from './fabric/grants.js';
import { describeSegments } from './fabric/segments.js';
import { describeStopping } from './fabric/stopping.js';
import { describeStrided } from './fabric/strided.js';
import { describeWriting } from './fabric/writing.js';

export function describeFabric(name: string, createHarness: () => FabricHarness, { onDevice = false } = {}): void {
  describe(`fabric: ${name}`, () => {
    const fabrics = new Fabrics(createHarness, onDevice);
    describeArena(fabrics);
    describeGrants(fabrics);
    describeSegments(fabrics);
    describeConnecting(fabrics);
    describeWriting(fabrics);
    describeStrided(fabrics);
    describeFencing(fabrics);
    describeStopping(fabrics);
    describeClosing(fabrics);
  });
}
