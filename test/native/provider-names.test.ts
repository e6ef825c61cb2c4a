import { describe, expect, test } from 'vitest';
import { nativeProviders } from '../../src/native/fabric-options.js';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import { nativeStatus } from '../../src/native/native-status.js';

const { reason } = nativeStatus().addon ? {} : nativeStatus();

describe.skipIf(reason !== undefined)(`provider names${reason === undefined ? '' : ` (${reason})`}`, () => {
  test.each(['pigeon', '', 'TCP', 'memory', '__proto__', 7, null, Symbol('tcp'), {}])(
    'T27: the provider %s → refused with the known names',
    async (name) => {
      const opened = openNativeFabric({ providers: ['same-host', name as never] });
      const message = `unknown provider ${String(name)}: choose from ${nativeProviders.join(', ')}`;
      await expect(opened).rejects.toMatchObject({ code: 'invalid_configuration', message });
    },
  );
});
