import { describe, expect, test } from 'vitest';
import { TenantRates } from '../../src/actors/sending/tenant-rates.js';

const refusal = (rates: TenantRates, tenant: string, nowMs: number) => {
  try {
    rates.check(tenant, nowMs);
    return 'ok';
  } catch (error) {
    return (error as Error).message;
  }
};

describe('P32: bytes a second of a tenant', () => {
  test('no limit → every number of bytes is allowed', () => {
    const rates = new TenantRates(0);
    rates.add('team-a', () => Number.MAX_SAFE_INTEGER, 0);
    expect(refusal(rates, 'team-a', 0)).toBe('ok');
  });

  test('one second in advance is allowed → more is refused until that time has passed', () => {
    const rates = new TenantRates(1000);
    rates.add('team-a', () => 1000, 50);
    expect(refusal(rates, 'team-a', 50)).toBe('ok');
    rates.add('team-a', () => 500, 50);
    expect(refusal(rates, 'team-a', 50)).toMatch(/: put again after 500 ms$/);
    expect(refusal(rates, 'team-b', 50)).toBe('ok');
    expect(refusal(rates, 'team-a', 550)).toBe('ok');
  });

  test('time without a put → it is not saved up', () => {
    const rates = new TenantRates(1000);
    rates.add('team-a', () => 10, 0);
    rates.add('team-a', () => 2000, 60_000);
    expect(refusal(rates, 'team-a', 60_000)).toMatch(/: put again after 1000 ms$/);
  });
});
