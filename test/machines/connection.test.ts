/** The connection to a receiver: it opens, breaks, opens again, and fails only when no provider connects. */
import { expect, test } from 'vitest';
import { type ConnectionEvent, connectionMachine } from '../../machines/connection.js';
import { failure, Walk } from './support.js';

const opened: ConnectionEvent = { type: 'connection.opened' };
const broken: ConnectionEvent = { type: 'connection.broken' };
const down: ConnectionEvent = { type: 'line.down' };
const up: ConnectionEvent = { type: 'line.up' };

function walk(...events: ConnectionEvent[]) {
  return new Walk(connectionMachine, { agent: 'decode-1' }).send(...events);
}

test('a connection is opened at once, and reported when it is there', () => {
  const walked = walk(opened);
  expect(walked.state).toBe('connected.online');
  expect(walked.take()).toEqual([['open'], ['reportConnected']]);
});

test('P14: no provider connects → it has failed, with the reason', () => {
  const walked = walk({ type: 'connection.failed', failure });
  expect([walked.state, walked.isOver, walked.context.failure]).toEqual(['failed', true, failure]);
  expect(walked.take()).toEqual([['open'], ['reportFailed']]);
});

test('P5: it breaks → it opens again, once, and the receiver revokes the old key', () => {
  const walked = walk(opened, broken, broken);
  expect(walked.state).toBe('connecting');
  expect(walked.take()).toEqual([['open'], ['reportConnected'], ['open']]);
});

test('P14: it breaks while NATS is away → it opens again when NATS is back', () => {
  const walked = walk(opened, down, broken, broken);
  expect(walked.state).toBe('interrupted');
  walked.send(up);
  expect(walked.state).toBe('connecting');
  expect(walked.take()).toEqual([['open'], ['reportConnected'], ['open']]);
});

test('P21: NATS goes away while it opens → a failed attempt proves nothing', () => {
  const walked = walk(down, { type: 'connection.failed', failure });
  expect(walked.state).toBe('interrupted');
  walked.send(up);
  expect(walked.state).toBe('connecting');
  expect(walked.take()).toEqual([['open'], ['open']]);
});

test('P14: it opens while NATS is away → it is used', () => {
  const walked = walk(down, opened);
  expect(walked.state).toBe('connected.online');
});

test('NATS goes and comes back → a connection that holds is not touched', () => {
  const walked = walk(opened, down, up);
  expect(walked.state).toBe('connected.online');
  expect(walked.take()).toEqual([['open'], ['reportConnected']]);
});
