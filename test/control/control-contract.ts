/** What every control port does. Runs on NATS and on the in-memory network. */
import { setImmediate } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ControlMessage, ControlPort, ControlStatus } from '../../src/ports/control.js';
import { MESSAGE_BYTES_MAX } from '../../src/protocol/limits.js';

export interface ControlNetwork {
  connect(name: string): Promise<ControlPort>;
  close(): Promise<void>;
}

/** A network that can go away and come back. */
export interface BreakableNetwork extends ControlNetwork {
  beginOutage(): Promise<void>;
  endOutage(): Promise<void>;
}

export type ControlHarness =
  | { readonly outages: false; open(): Promise<ControlNetwork> }
  | { readonly outages: true; open(): Promise<BreakableNetwork> };

/** Long enough for any machine; only tests that expect silence wait for the short one. */
const ANSWER_TIMEOUT_MS = 5_000;
const SILENCE_MS = 50;
const LARGE_BODY = 'x'.repeat(MESSAGE_BYTES_MAX + 1);

export function describeControl(name: string, harness: ControlHarness): void {
  describe(`control port: ${name}`, () => {
    const ports: ControlPort[] = [];
    let network: ControlNetwork;

    beforeAll(async () => {
      network = await harness.open();
    });
    afterEach(async () => {
      await Promise.all(ports.splice(0).map((port) => port.close()));
    });
    afterAll(() => network.close());

    async function connect(): Promise<ControlPort> {
      const port = await network.connect(`test-${ports.length}`);
      ports.push(port);
      return port;
    }

    async function pair(): Promise<[ControlPort, ControlPort]> {
      return [await connect(), await connect()];
    }

    test('answers a request with what the subscriber responds', async () => {
      const [asker, answerer] = await pair();
      answerer.subscribe('t.echo', (message) => message.respond(`${message.subject} ${message.body}`));
      await answerer.flush();
      expect(await asker.request('t.echo', 'ünï', { timeoutMs: ANSWER_TIMEOUT_MS })).toBe('t.echo ünï');
    });

    test('delivers to wildcard subscribers with the real subject', async () => {
      const [asker, answerer] = await pair();
      answerer.subscribe('t.*', (message) => message.respond(`one ${message.subject}`));
      answerer.subscribe('u.>', (message) => message.respond(`rest ${message.subject}`));
      await answerer.flush();
      expect(await asker.request('t.a', '', { timeoutMs: ANSWER_TIMEOUT_MS })).toBe('one t.a');
      expect(await asker.request('u.a.b', '', { timeoutMs: ANSWER_TIMEOUT_MS })).toBe('rest u.a.b');
      await expect(asker.request('t.a.b', '', { timeoutMs: ANSWER_TIMEOUT_MS })).rejects.toMatchObject({
        code: 'no_responders',
      });
    });

    describe('headers', () => {
      const headers = { traceparent: '00-aa-bb-01', tracestate: 'a=ünï,b=2' };

      /** The headers of each message that `send` sends to `t.headers`. */
      async function received(send: (port: ControlPort) => void): Promise<unknown[]> {
        const [sender, receiver] = await pair();
        const seen: unknown[] = [];
        const end = new Promise<void>((resolve) => {
          receiver.subscribe('t.headers', (message) => {
            if (message.body === 'end') resolve();
            else seen.push(message.headers);
            message.respond('');
          });
        });
        await receiver.flush();
        send(sender);
        sender.publish('t.headers', 'end');
        await end;
        return seen;
      }

      test('come with what is asked and published with some', async () => {
        const asked: Promise<string>[] = [];
        const seen = await received((port) => {
          asked.push(port.request('t.headers', '', { timeoutMs: ANSWER_TIMEOUT_MS, headers }));
          port.publish('t.headers', '', headers);
          asked.push(port.request('t.headers', '', { timeoutMs: ANSWER_TIMEOUT_MS }));
          port.publish('t.headers', '');
        });
        await Promise.all(asked);
        expect(seen).toEqual([headers, headers, undefined, undefined]);
      });

      test('have names in lower case; what cannot be carried is left out', async () => {
        const odd = { 'Trace-Parent': 'x', 'a name': 'x', 'a:b': 'x', '': 'x', broken: 'a\r\nb: c' };
        const seen = await received((port) => {
          port.publish('t.headers', '', odd);
          port.publish('t.headers', '', { broken: '\n' });
        });
        expect(seen).toEqual([{ 'trace-parent': 'x' }, undefined]);
      });

      test('stay behind when the message has no room for them', async () => {
        const added = 'NATS/1.0\r\ntraceparent: x\r\n\r\n'.length;
        const seen = await received((port) => {
          port.publish('t.headers', LARGE_BODY.slice(0, MESSAGE_BYTES_MAX - added), { traceparent: 'x' });
          port.publish('t.headers', LARGE_BODY.slice(0, MESSAGE_BYTES_MAX - added + 1), { traceparent: 'x' });
        });
        expect(seen).toEqual([{ traceparent: 'x' }, undefined]);
      });
    });

    test('correlates many requests at once, answered in reverse', async () => {
      const [asker, answerer] = await pair();
      const held: ControlMessage[] = [];
      const count = 100;
      answerer.subscribe('t.held', (message) => {
        held.push(message);
        if (held.length === count) for (const each of held.reverse()) each.respond(each.body);
      });
      await answerer.flush();
      const bodies = Array.from({ length: count }, (_, index) => `${index}`);
      const answers = bodies.map((body) => asker.request('t.held', body, { timeoutMs: ANSWER_TIMEOUT_MS }));
      expect(await Promise.all(answers)).toEqual(bodies);
    });

    test('rejects no_responders when nobody listens', async () => {
      const port = await connect();
      await expect(port.request('t.nobody', '', { timeoutMs: ANSWER_TIMEOUT_MS })).rejects.toMatchObject({
        name: 'KvferryError',
        code: 'no_responders',
        message: expect.stringContaining('t.nobody'),
      });
    });

    test('rejects deadline_exceeded when nobody answers', async () => {
      const [asker, answerer] = await pair();
      answerer.subscribe('t.silent', () => undefined);
      await answerer.flush();
      await expect(asker.request('t.silent', '', { timeoutMs: SILENCE_MS })).rejects.toMatchObject({
        code: 'deadline_exceeded',
      });
    });

    test('drops an answer that comes after the deadline', async () => {
      const [asker, answerer] = await pair();
      let late: ControlMessage | undefined;
      answerer.subscribe('t.late', (message) => {
        if (late === undefined) late = message;
        else message.respond('second');
      });
      await answerer.flush();
      await expect(asker.request('t.late', '', { timeoutMs: SILENCE_MS })).rejects.toMatchObject({
        code: 'deadline_exceeded',
      });
      late?.respond('first');
      expect(await asker.request('t.late', '', { timeoutMs: ANSWER_TIMEOUT_MS })).toBe('second');
    });

    test('collects the answers of everyone who listens', async () => {
      const [asker, first] = await pair();
      const second = await connect();
      first.subscribe('t.all', (message) => message.respond('first'));
      second.subscribe('t.all', (message) => message.respond('second'));
      await Promise.all([first.flush(), second.flush()]);
      const answers = await asker.requestAll('t.all', '', { timeoutMs: SILENCE_MS * 2 });
      expect(answers.toSorted()).toEqual(['first', 'second']);
    });

    test('as many answers as were asked for → it waits for no other', async () => {
      const [asker, first] = await pair();
      first.subscribe('t.all', (message) => message.respond('first'));
      await first.flush();
      const answers = await asker.requestAll('t.all', '', { timeoutMs: 2 * ANSWER_TIMEOUT_MS, answersMax: 1 });
      expect(answers).toEqual(['first']);
    });

    test('collects nothing when nobody listens', async () => {
      const port = await connect();
      expect(await port.requestAll('t.nobody', '', { timeoutMs: ANSWER_TIMEOUT_MS })).toEqual([]);
    });

    test('publishes to every subscriber in order, also to itself', async () => {
      const [publisher, other] = await pair();
      const seen = { publisher: [] as string[], other: [] as string[] };
      const done = Promise.all(
        (
          [
            ['publisher', publisher],
            ['other', other],
          ] as const
        ).map(
          ([key, port]) =>
            new Promise<void>((resolve) => {
              port.subscribe('t.event', (message) => {
                if (message.body === 'end') resolve();
                else seen[key].push(message.body);
              });
            }),
        ),
      );
      await Promise.all([publisher.flush(), other.flush()]);
      for (const body of ['1', '2', '3', 'end']) publisher.publish('t.event', body);
      await done;
      expect(seen).toEqual({ publisher: ['1', '2', '3'], other: ['1', '2', '3'] });
    });

    test('ignores an answer nobody asked for', async () => {
      const [publisher, subscriber] = await pair();
      const handled = new Promise<void>((resolve) => {
        subscriber.subscribe('t.event', (message) => {
          message.respond('to nobody');
          resolve();
        });
      });
      await subscriber.flush();
      publisher.publish('t.event', 'x');
      await handled;
    });

    test('delivers nothing after a subscription was closed', async () => {
      const [publisher, subscriber] = await pair();
      const seen: string[] = [];
      const subscription = subscriber.subscribe('t.event', (message) => seen.push(message.body));
      const end = new Promise<void>((resolve) => {
        subscriber.subscribe('t.end', () => resolve());
      });
      subscription.close();
      subscription.close();
      await subscriber.flush();
      publisher.publish('t.event', 'x');
      publisher.publish('t.end', '');
      await end;
      expect(seen).toEqual([]);
    });

    test('refuses messages that are too large, asked, published or answered', async () => {
      const [asker, answerer] = await pair();
      const refused: unknown[] = [];
      answerer.subscribe('t.large', (message) => {
        try {
          message.respond(LARGE_BODY);
        } catch (error) {
          refused.push(error);
          message.respond('small');
        }
      });
      await answerer.flush();
      const tooLarge = { name: 'KvferryError', code: 'message_too_large' };
      await expect(asker.request('t.large', LARGE_BODY, { timeoutMs: ANSWER_TIMEOUT_MS })).rejects.toMatchObject(
        tooLarge,
      );
      expect(() => asker.publish('t.large', LARGE_BODY)).toThrow(expect.objectContaining(tooLarge));
      expect(await asker.request('t.large', '', { timeoutMs: ANSWER_TIMEOUT_MS })).toBe('small');
      expect(refused).toEqual([expect.objectContaining(tooLarge)]);
    });

    test('carries a message of exactly the largest size', async () => {
      const [asker, answerer] = await pair();
      answerer.subscribe('t.largest', (message) => message.respond(message.body));
      await answerer.flush();
      const body = LARGE_BODY.slice(0, MESSAGE_BYTES_MAX);
      expect((await asker.request('t.largest', body, { timeoutMs: ANSWER_TIMEOUT_MS })) === body).toBe(true);
    });

    test('sends what was published before it closes', async () => {
      const [publisher, subscriber] = await pair();
      const last = new Promise<string>((resolve) => {
        subscriber.subscribe('t.last', (message) => resolve(message.body));
      });
      await subscriber.flush();
      publisher.publish('t.last', 'words');
      await publisher.close();
      expect(await last).toBe('words');
    });

    test('rejects closed after close, which can be repeated', async () => {
      const [asker, answerer] = await pair();
      answerer.subscribe('t.silent', () => undefined);
      await answerer.flush();
      const underWay = asker.request('t.silent', '', { timeoutMs: ANSWER_TIMEOUT_MS });
      const outcome = expect(underWay).rejects.toMatchObject({ code: 'closed' });
      await setImmediate();
      await Promise.all([asker.close(), asker.close()]);
      await outcome;
      const refusal = expect.objectContaining({ name: 'KvferryError', code: 'closed' });
      await expect(asker.request('t.silent', '', { timeoutMs: ANSWER_TIMEOUT_MS })).rejects.toEqual(refusal);
      await expect(asker.requestAll('t.silent', '', { timeoutMs: ANSWER_TIMEOUT_MS })).rejects.toEqual(refusal);
      await expect(asker.flush()).rejects.toEqual(refusal);
      expect(() => asker.publish('t.silent', '')).toThrow(refusal);
      expect(() => asker.subscribe('t.silent', () => undefined)).toThrow(refusal);
    });

    if (!harness.outages) return;
    const beginOutage = () => (network as BreakableNetwork).beginOutage();
    const endOutage = () => (network as BreakableNetwork).endOutage();

    test('survives an outage: says so, rejects, keeps what is published, goes on', async () => {
      const [asker, answerer] = await pair();
      const statuses: ControlStatus[] = [];
      const changed = nextStatuses(asker, statuses);
      const answererChanged = nextStatuses(answerer, []);
      const events: unknown[] = [];
      const eventSeen = new Promise<void>((resolve) => {
        answerer.subscribe('t.event', ({ body, headers }) => {
          events.push({ body, headers });
          resolve();
        });
      });
      answerer.subscribe('t.echo', (message) => message.respond(message.body));
      answerer.subscribe('t.silent', () => undefined);
      await answerer.flush();
      const underWay = expect(asker.request('t.silent', '', { timeoutMs: ANSWER_TIMEOUT_MS })).rejects.toMatchObject({
        code: 'disconnected',
      });
      await asker.flush();

      await beginOutage();
      await Promise.all([changed('disconnected'), answererChanged('disconnected'), underWay]);
      const refusal = expect.objectContaining({ name: 'KvferryError', code: 'disconnected' });
      await expect(asker.request('t.echo', '', { timeoutMs: ANSWER_TIMEOUT_MS })).rejects.toEqual(refusal);
      await expect(asker.requestAll('t.echo', '', { timeoutMs: ANSWER_TIMEOUT_MS })).rejects.toEqual(refusal);
      await expect(asker.flush()).rejects.toEqual(refusal);
      answerer.publish('t.event', 'said during the outage', { traceparent: 'x' });

      await endOutage();
      await Promise.all([changed('connected'), answererChanged('connected')]);
      await eventSeen;
      await answerer.flush();
      expect(await asker.request('t.echo', 'again', { timeoutMs: ANSWER_TIMEOUT_MS })).toBe('again');
      expect({ statuses, events }).toEqual({
        statuses: ['disconnected', 'connected'],
        events: [{ body: 'said during the outage', headers: { traceparent: 'x' } }],
      });
    });

    test('closes during an outage', async () => {
      const port = await connect();
      const changed = nextStatuses(port, []);
      await beginOutage();
      await changed('disconnected');
      port.publish('t.lost', '');
      await port.close();
      await expect(port.request('t.echo', '', { timeoutMs: ANSWER_TIMEOUT_MS })).rejects.toMatchObject({
        code: 'closed',
      });
      await endOutage();
    });
  });
}

/** Records every status; the returned function resolves when the given one is reported. */
function nextStatuses(port: ControlPort, statuses: ControlStatus[]): (status: ControlStatus) => Promise<void> {
  const waiting: { readonly status: ControlStatus; readonly resolve: () => void }[] = [];
  port.onStatus((status) => {
    statuses.push(status);
    for (const each of waiting) if (each.status === status) each.resolve();
  });
  return (status) =>
    statuses.includes(status)
      ? Promise.resolve()
      : new Promise((resolve) => {
          waiting.push({ status, resolve });
        });
}
