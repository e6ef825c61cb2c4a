import { expect, test } from 'vitest';
import { endLevel, refusalLevel } from '../../src/actors/observing/log-level.js';
import { errorCodes } from '../../src/protocol/errors.js';

test('refusals that are routine are no warnings; all others are', () => {
  const levels = errorCodes.map((code) => [code, refusalLevel(code)] as const).filter(([, level]) => level !== 'warn');
  expect(Object.fromEntries(levels)).toEqual({
    unknown_request: 'debug',
    request_ended: 'debug',
    request_active: 'debug',
    duplicate_batch: 'debug',
    segment_exists: 'debug',
    stale_grant: 'debug',
    agent_draining: 'info',
  });
});

test('a cancelled request is no warning; a failed or expired one is', () => {
  expect([
    endLevel('ready', undefined),
    endLevel('cancelled', 'cancelled_by_caller'),
    endLevel('failed', 'sender_lost'),
    endLevel('expired', 'deadline_exceeded'),
  ]).toEqual(['debug', 'info', 'warn', 'warn']);
});
