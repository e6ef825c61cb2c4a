import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { connectNats } from '../../src/control/nats-control.js';
import type { NatsControlOptions } from '../../src/control/nats-options.js';
import type { ControlPort, ControlStatus } from '../../src/ports/control.js';
import { isKvferryError } from '../../src/protocol/errors.js';
import { subjects } from '../../src/protocol/subjects.js';
import { natsServerMissing, TestNatsServer } from '../support/nats-server.js';
import { describeControl } from './control-contract.js';

describe.skipIf(natsServerMissing)(`with a real nats-server ${natsServerMissing ?? ''}`, () => {
  describeControl('NATS', {
    outages: true,
    open: async () => {
      const server = await TestNatsServer.start();
      return {
        connect: (name) => connectNats({ servers: server.url, name }),
        beginOutage: () => server.interrupt(),
        endOutage: () => server.restore(),
        close: () => server[Symbol.asyncDispose](),
      };
    },
  });

  describe('connectNats', () => {
    test('rejects disconnected when no server is there', async () => {
      const server = await TestNatsServer.start();
      await server[Symbol.asyncDispose]();
      await expect(connectNats({ servers: server.url, name: 'test' })).rejects.toMatchObject({
        name: 'KvferryError',
        code: 'disconnected',
        message: `no connection to NATS at ${server.url}: connection refused`,
      });
    });

    test('waits for a server that comes later', async () => {
      await using server = await TestNatsServer.start();
      await server.interrupt();
      const connecting = connectNats({ servers: server.url, name: 'test', connectTimeoutMs: 10_000 });
      await server.restore();
      await (await connecting).close();
    });

    test('takes user and password from the URL, and never shows them', async () => {
      await using server = await TestNatsServer.start('--user', 'ferry', '--pass', 's3cret');
      const host = server.url.slice('nats://'.length);
      const control = await connectNats({ servers: `nats://ferry:s3cret@${host}`, name: 'test' });
      await control.flush();
      await control.close();
      await expect(connectNats({ servers: `nats://ferry:wr0ng@${host}`, name: 'test' })).rejects.toSatisfy(
        (error: Error) =>
          error.message.startsWith(`no connection to NATS at ${server.url}: `) && !/wr0ng/.test(error.message),
      );
    });

    test('takes a token from the URL', async () => {
      await using server = await TestNatsServer.start('--auth', 't0ken');
      const control = await connectNats({
        servers: `nats://t0ken@${server.url.slice('nats://'.length)}`,
        name: 'test',
      });
      await control.flush();
      await control.close();
    });

    test('uses another server of the list when the first one is away', async () => {
      await using server = await TestNatsServer.start();
      const gone = await TestNatsServer.start();
      await gone[Symbol.asyncDispose]();
      const control = await connectNats({ servers: `${gone.url},${server.url}`, name: 'test' });
      await control.flush();
      await control.close();
    });
  });

  describe('in the real world', () => {
    const ANSWER = { timeoutMs: 5_000 };
    const HOUR_MS = 3_600_000;
    const directories: string[] = [];
    const controls: ControlPort[] = [];

    afterEach(async () => {
      vi.restoreAllMocks();
      await Promise.all(controls.splice(0).map((control) => control.close()));
      for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
    });

    async function open(servers: string, options: Partial<NatsControlOptions> = {}): Promise<ControlPort> {
      const control = await connectNats({ servers, name: 'test', ...options });
      controls.push(control);
      return control;
    }

    /** Resolves at the next change to that status. */
    function next(control: ControlPort, wanted: ControlStatus): Promise<void> {
      return new Promise((resolve) => {
        control.onStatus((status) => {
          if (status === wanted) resolve();
        });
      });
    }

    /** Connected to `first`, with `second` in the list too. */
    async function openAt(
      first: TestNatsServer,
      second: TestNatsServer,
      options: Partial<NatsControlOptions> = {},
    ): Promise<ControlPort> {
      for (;;) {
        const control = await open(`${first.url},${second.url}`, options);
        const probe = await open(first.url);
        const seen: string[] = [];
        control.subscribe('t.probe', () => seen.push('here'));
        await control.flush();
        probe.publish('t.probe', '');
        await probe.flush();
        await control.flush();
        if (seen.length > 0) return control;
      }
    }

    /** A server with this configuration file, which `write` replaces. */
    async function configured(text: string) {
      const directory = mkdtempSync(join(tmpdir(), 'kvferry-conf-'));
      directories.push(directory);
      const path = join(directory, 'nats.conf');
      writeFileSync(path, text);
      const server = await TestNatsServer.start('-c', path);
      return {
        server,
        write: (changed: string) => {
          writeFileSync(path, changed);
          server.signal('SIGHUP');
        },
      };
    }

    const withUser = (rights: string, password = 'kv') =>
      `authorization { users: [ { user: kv, password: ${password} ${rights} }, { user: all, password: all } ] }\n`;
    const as = (server: TestNatsServer, user: string) => server.url.replace('nats://', `nats://${user}:${user}@`);

    test.each([
      ['back', -HOUR_MS],
      ['forward', HOUR_MS],
    ])('P27, T24: the wall clock goes %s by an hour → the next outage ends as any other', async (_, stepMs) => {
      await using server = await TestNatsServer.start();
      const control = await open(server.url);
      const [away, back] = [next(control, 'disconnected'), next(control, 'connected')];
      const now = Date.now.bind(Date);
      vi.spyOn(Date, 'now').mockImplementation(() => now() + stepMs);
      await server.interrupt();
      await away;
      await server.restore();
      await back;
      await control.flush();
    });

    test('P27, T24: the wall clock goes back during an outage → it ends as any other', async () => {
      await using server = await TestNatsServer.start();
      const control = await open(server.url);
      const [away, back] = [next(control, 'disconnected'), next(control, 'connected')];
      await server.interrupt();
      await away;
      const now = Date.now.bind(Date);
      vi.spyOn(Date, 'now').mockImplementation(() => now() - HOUR_MS);
      await server.restore();
      await back;
      await control.flush();
    });

    test('P21: a server stands still and takes nothing → reconnect goes to another one', async () => {
      await using frozen = await TestNatsServer.start();
      await using other = await TestNatsServer.start();
      const moving = await openAt(frozen, other);
      const listener = await open(other.url);
      listener.subscribe('t.echo', ({ body, respond }) => respond(body));
      await listener.flush();
      frozen.signal('SIGSTOP');
      try {
        // More than the buffers of a socket take.
        for (let n = 0; n < 32; n += 1) moving.publish('t.large', 'x'.repeat(1_000_000));
        const back = next(moving, 'connected');
        moving.reconnect();
        await back;
        await expect.poll(() => moving.request('t.echo', 'x', ANSWER).catch(() => undefined)).toBe('x');
      } finally {
        frozen.signal('SIGCONT');
      }
    });

    test('P21: both servers work → reconnect goes to the other one', async () => {
      await using one = await TestNatsServer.start();
      await using other = await TestNatsServer.start();
      const places: string[] = [];
      const info = ({ server = '' }: { server?: string }) => places.push(`nats://${server}`);
      const control = await openAt(one, other, { logger: { info, warn: () => undefined, error: () => undefined } });
      // The client dials no server again at once. So much later it would.
      const now = Date.now.bind(Date);
      vi.spyOn(Date, 'now').mockImplementation(() => now() + HOUR_MS);
      const back = next(control, 'connected');
      control.reconnect();
      await back;
      expect(places).toEqual([other.url]);
    });

    test('P21: a subscription is refused at the start → flush names its subject', async () => {
      const { server } = await configured(withUser(', permissions: { subscribe: ["_INBOX_client.test.>"] }'));
      await using _ = server;
      const control = await open(as(server, 'kv'));
      await control.flush();
      control.subscribe('t.mine', () => undefined);
      await expect(control.flush()).rejects.toMatchObject({
        code: 'subscription_refused',
        message: expect.stringContaining('t.mine'),
      });
    });

    test('P21: answers must not come to this program → no connection, the inbox is named', async () => {
      const { server } = await configured(withUser(', permissions: { subscribe: ["_INBOX_client.other.>"] }'));
      await using _ = server;
      await expect(open(as(server, 'kv'))).rejects.toMatchObject({
        code: 'subscription_refused',
        message: expect.stringMatching(
          /^NATS refuses the subscription to _INBOX_client\.test\.\w+\.\*: answers come to an inbox with the name of the user/,
        ),
      });
    });

    test('P21: a question without the right → refused at once, and names the roles', async () => {
      const own = ', permissions: { publish: ["t.mine"], subscribe: ["_INBOX_client.test.>", "t.mine"] }';
      const { server } = await configured(withUser(own));
      await using _ = server;
      const control = await open(as(server, 'kv'));
      control.subscribe('t.mine', ({ body, respond }) => respond(body));
      const subject = subjects.operation('decode-0', '_all', 'status');
      const refused = {
        code: 'publication_refused',
        message: `NATS refuses this user the right to publish to ${subject}: use credentials for this agent and tenant of a role that has it: observer, operator, tester (kvferry keys issue)`,
      };
      await expect(control.request(subject, '', ANSWER)).rejects.toMatchObject(refused);
      await expect(control.requestAll(subject, '', ANSWER)).rejects.toMatchObject(refused);
      await control.flush();
    });

    test('P21: rights are taken while a question waits → only later ones are refused', async () => {
      const { server, write } = await configured(withUser(''));
      await using _ = server;
      const control = await open(as(server, 'kv'));
      const other = await open(as(server, 'all'));
      const asked = new Promise<(body: string) => void>((resolve) => {
        other.subscribe('t.slow', ({ respond }) => resolve(respond));
      });
      await other.flush();
      const first = control.request('t.slow', '', { timeoutMs: 20_000 });
      const answer = await asked;
      write(withUser(', permissions: { publish: ["t.other"] }'));
      const later = () =>
        control.request('t.slow', '', { timeoutMs: 200 }).catch((error) => isKvferryError(error) && error.code);
      await expect.poll(later, { timeout: 15_000 }).toBe('publication_refused');
      answer('late');
      expect(await first).toBe('late');
    });

    test('P21: rights are taken and given back → disconnected, then served again', async () => {
      const { server, write } = await configured(withUser(''));
      await using _ = server;
      const [control, asker] = [await open(as(server, 'kv')), await open(as(server, 'all'))];
      control.subscribe('t.mine', ({ respond }) => respond('here'));
      await control.flush();
      const away = next(control, 'disconnected');
      write(withUser(', permissions: { subscribe: ["_INBOX_client.test.>"] }'));
      await away;
      const back = next(control, 'connected');
      write(withUser(''));
      await back;
      expect(await asker.request('t.mine', '', ANSWER)).toBe('here');
    });

    test('P21: a subscription is refused again and again → disconnected all the time', async () => {
      const { server, write } = await configured(withUser(''));
      await using _ = server;
      const refused: unknown[] = [];
      const error = ({ subject }: { subject?: string }) => refused.push(subject);
      const logger = { info: () => undefined, warn: () => undefined, error };
      const control = await open(as(server, 'kv'), { logger });
      const statuses: ControlStatus[] = [];
      control.onStatus((status) => statuses.push(status));
      control.subscribe('t.mine', () => undefined);
      await control.flush();
      write(withUser(', permissions: { subscribe: ["_INBOX_client.test.>"] }'));
      await expect.poll(() => refused, { timeout: 15_000 }).toEqual(['t.mine', 't.mine']);
      await expect(control.flush()).rejects.toMatchObject({ code: 'subscription_refused' });
      expect(statuses).toEqual(['disconnected']);
    });

    test('P21: a password changes and changes back → one outage, then it serves again', async () => {
      const { server, write } = await configured(withUser(''));
      await using _ = server;
      const control = await open(as(server, 'kv'));
      const statuses: ControlStatus[] = [];
      control.onStatus((status) => statuses.push(status));
      const away = next(control, 'disconnected');
      write(withUser('', 'other'));
      await away;
      await expect(open(as(server, 'kv'))).rejects.toMatchObject({ code: 'disconnected' });
      const back = next(control, 'connected');
      write(withUser(''));
      await back;
      await control.flush();
      expect(statuses).toEqual(['disconnected', 'connected']);
    });

    test('a server takes only small messages → a warning names both sizes', async () => {
      const { server } = await configured('max_payload: 32768\n');
      await using _ = server;
      const warnings: object[] = [];
      const logger = { info: () => undefined, warn: (fields: object) => warnings.push(fields), error: () => undefined };
      await open(server.url, { logger });
      expect(warnings).toEqual([{ bytesMax: 32_768, needed: 1_048_576 }]);
    });
  });
});
