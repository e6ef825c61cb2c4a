/** What the log and a refused program say about a NATS server that cannot be used. */
import { createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { connectNats } from '../../src/control/nats-control.js';
import { refusalOf } from '../../src/control/nats-refusal.js';

const access = { ca: '/keys/ca.pem' };
const NOW = '2031-05-06T07Z';

test.each([
  ['CERT_HAS_EXPIRED', `renew the server's certificate, unless the clock of this host is wrong: it says ${NOW}`],
  [
    'CERT_NOT_YET_VALID',
    `the clock of this host says ${NOW}: set it right, or that of the host that made the certificate`,
  ],
])('a certificate that is not valid now (%s) → the remedy names the clock', async (code, remedy) => {
  vi.useFakeTimers({ now: new Date('2031-05-06T07:08:09Z'), toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const refused = Object.assign(new Error('the reason'), { code });
  expect(await refusalOf(refused, [], access)).toBe(`the reason: ${remedy}`);
});

const INFO = 'INFO {"server_id":"x","version":"2.10.0","max_payload":1048576,"headers":true}\r\n';
const REFUSED_ATTEMPTS = 5;

test('a server refuses each attempt to connect again → the log says it once', async () => {
  const sockets: Socket[] = [];
  let refusedOften: () => void = () => undefined;
  const refused = new Promise<void>((resolve) => {
    refusedOften = resolve;
  });
  const server = createServer((socket) => {
    const isFirst = sockets.push(socket) === 1;
    // The attempt after the last one that counts shows that the client has read its refusal.
    if (sockets.length > REFUSED_ATTEMPTS + 1) refusedOften();
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => {
      if (isFirst) socket.write('PONG\r\n'.repeat(bytes.toString().split('PING').length - 1));
      else socket.end("-ERR 'Authorization Violation'\r\n");
    });
    socket.write(INFO);
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { readonly port: number };
  const said: string[] = [];
  const log = (fields: object, message: string) => void said.push(`${message}: ${'reason' in fields && fields.reason}`);
  const logger = { info: log, warn: log, error: log };
  const control = await connectNats({ servers: `127.0.0.1:${port}`, name: 'test', logger });
  onTestFinished(() => control.close());
  sockets[0]?.destroy();
  await refused;
  expect(said.filter((line) => line.startsWith('NATS reported an error'))).toEqual([
    'NATS reported an error: Authorization Violation: give a user by --nats-creds or --nats-nkey, or the right user and password in the URL',
  ]);
});
