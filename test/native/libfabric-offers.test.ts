import { describe, expect, test } from 'vitest';
import { libfabricOffers, nativeStatus } from '../../src/native/native-status.js';

const { libfabric } = nativeStatus();

describe.skipIf(libfabric === null)('what libfabric offers', () => {
  test('has the providers it was built with, sorted, each once, with their devices', async () => {
    const offers = await libfabricOffers();
    const names = offers.map(({ provider }) => provider);
    expect(names).toEqual([...new Set(names)].sort());
    expect(offers.find(({ provider }) => provider === 'tcp' || provider === 'net')?.domains).toContain('lo');
  });
});

describe.skipIf(libfabric !== null)('what a missing libfabric offers', () => {
  test('is an error with the reason', async () => {
    await expect(libfabricOffers()).rejects.toMatchObject({ code: 'provider_unavailable' });
  });
});
