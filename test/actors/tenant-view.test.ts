/** P32: each name of a message gets its tenant on its way in, and loses it on its way out. */
import { describe, expect, test } from 'vitest';
import { entering, leaving, refusing } from '../../src/actors/agent/tenant-view.js';
import { KvferryError } from '../../src/protocol/errors.js';
import { ALL_TENANTS } from '../../src/protocol/tenants.js';

const TEAM = 'team-a';

describe('P32: a message of a tenant', () => {
  test('P32: request, segment, session and holder → each has the tenant in front', () => {
    const message = { request: 'r', segment: 's', session: '1', holder: 'h', other: 'o' };
    expect(entering(TEAM, message)).toEqual({
      request: 'team-a r',
      segment: 'team-a s',
      session: 'team-a 1',
      holder: 'team-a h',
      other: 'o',
    });
  });

  test('P32: runs of several segments → each run keeps its own', () => {
    const runs = ['s', 's', 't', 's'].map((segment) => ({ segment, offset: 0 }));
    const entered = ['team-a s', 'team-a s', 'team-a t', 'team-a s'].map((segment) => ({ segment, offset: 0 }));
    expect(entering(TEAM, { source: runs })).toEqual({ source: entered });
  });

  test('P32: the place where a list goes on → it has the tenant in front', () => {
    const after = { request: 'r', batch: 1 };
    expect(entering(TEAM, { after })).toEqual({ after: { request: 'team-a r', batch: 1 } });
  });

  test.each([
    [{ request: 'team-b r' }, 'request'],
    [{ source: [{ segment: 's' }, { segment: 'team-b s' }] }, 'source[1].segment'],
    [{ after: { request: 'team-b r' } }, 'after.request'],
  ])('P32: %o names what another tenant has → invalid_field', (message, field) => {
    for (const tenant of [TEAM, 'default']) {
      expect(() => entering(tenant, message)).toThrow(expect.objectContaining({ code: 'invalid_field', field }));
    }
  });
});

describe('P32: an answer to a tenant', () => {
  const row = { request: 'team-a r', batch: 0, positions: [0] };
  const sources = { epoch: '0'.repeat(16), alone: true, batches: [row], next: { request: 'team-a r', batch: 0 } };

  test('P32: a part of the lent memory → the names are as the tenant gave them', () => {
    expect(leaving(TEAM, 'sources', sources)).toMatchObject({
      batches: [{ request: 'r' }],
      next: { request: 'r', batch: 0 },
    });
    expect(leaving(ALL_TENANTS, 'sources', sources)).toEqual(sources);
  });

  test('P32: keys that were found and keys that are missing → as the tenant gave them', () => {
    const reply = { keys: ['team-a\u001fk0'], missing: ['team-a\u001fk1'] };
    expect(leaving(TEAM, 'acquire', reply)).toEqual({ keys: ['k0'], missing: ['k1'] });
  });

  test('P32: a refusal with a session → as the tenant gave it, with all else', () => {
    const cause = new Error('why');
    const error = new KvferryError('wrong_session', 'no', {
      field: 'segment',
      cause,
      details: { session: 'team-a 1' },
    });
    const refused = refusing(TEAM, error);
    expect(refused).toMatchObject({ code: 'wrong_session', field: 'segment', cause, details: { session: '1' } });
    expect(refusing(ALL_TENANTS, error)).toBe(error);
  });
});
