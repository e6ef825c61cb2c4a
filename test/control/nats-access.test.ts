/** Credentials and TLS to a real NATS server: they work, their files are read again, and a refusal names the option. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { NatsAccess } from '../../src/control/nats-access.js';
import { connectNats } from '../../src/control/nats-control.js';
import { probeNats } from '../../src/control/nats-probe.js';
import type { ControlPort, ControlStatus } from '../../src/ports/control.js';
import { JwtTree, nkeyUser, TestAuthority } from '../support/nats-keys.js';
import { natsServerMissing, TestNatsServer } from '../support/nats-server.js';

let directory: string;
let authority: TestAuthority;
const controls: ControlPort[] = [];

function written(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

function tlsOf({ cert, key }: { readonly cert: string; readonly key: string }, more = ''): string {
  return written('tls.conf', `tls { cert_file: "${cert}", key_file: "${key}" ${more} }`);
}

async function open(servers: string, access: NatsAccess): Promise<ControlPort> {
  const control = await connectNats({ servers, access, name: 'test' });
  controls.push(control);
  await control.flush();
  return control;
}

/** The message of the refusal, without the beginning that they all have. */
async function refusal(servers: string, access: NatsAccess): Promise<string> {
  try {
    await open(servers, access);
  } catch (error) {
    return (error as Error).message.replace(/^no connection to NATS at \S+: /, '');
  }
  throw new Error('the server has accepted');
}

/** Resolves at the next change to that status. */
function next(control: ControlPort, wanted: ControlStatus): Promise<void> {
  return new Promise((resolve) => {
    control.onStatus((status) => {
      if (status === wanted) resolve();
    });
  });
}

describe.skipIf(natsServerMissing)(`access to a real nats-server ${natsServerMissing ?? ''}`, () => {
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'kvferry-access-'));
    authority = new TestAuthority(directory, 'authority');
  });
  afterEach(async () => {
    await Promise.all(controls.splice(0).map((control) => control.close()));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const users = (...keys: string[]) =>
    `authorization { users: [ ${keys.map((key) => `{ nkey: ${key} }`).join(', ')} ] }`;

  test('a file with an nkey → accepted; another nkey → refused by name of the option', async () => {
    const [known, stranger] = [nkeyUser(), nkeyUser()];
    await using server = await TestNatsServer.start('-c', written('nkey.conf', users(known.publicKey)));
    const nkey = written('known.nk', `${known.seed}\n`);
    await open(server.url, { nkey });
    const other = written('stranger.nk', stranger.seed);
    expect(await refusal(server.url, { nkey: other })).toBe(
      `Authorization Violation: the server does not know the nkey of ${other} (--nats-nkey): add it to its users`,
    );
    expect(await refusal(server.url, {})).toBe(
      'Authorization Violation: give a user by --nats-creds or --nats-nkey, or the right user and password in the URL',
    );
  });

  test('a creds file of an operator → accepted; of another operator → refused', async () => {
    const tree = new JwtTree();
    await using server = await TestNatsServer.start('-c', written('jwt.conf', tree.configuration));
    await open(server.url, { creds: written('user.creds', tree.creds()) });
    const creds = written('other.creds', new JwtTree().creds());
    expect(await refusal(server.url, { creds })).toBe(
      `Authorization Violation: the server does not accept the user of ${creds} (--nats-creds): renew the file`,
    );
  });

  test('the user is replaced and so is the file → connected again without a restart', async () => {
    const [first, second] = [nkeyUser(), nkeyUser()];
    const configuration = written('renewed.conf', users(first.publicKey));
    await using server = await TestNatsServer.start('-c', configuration);
    const nkey = written('renewed.nk', first.seed);
    const control = await open(server.url, { nkey });
    const away = next(control, 'disconnected');
    written('renewed.conf', users(second.publicKey));
    server.signal('SIGHUP');
    await away;
    const back = next(control, 'connected');
    // Not whole at first: the one before is used.
    written('renewed.nk', '');
    written('renewed.nk', second.seed);
    await back;
    await control.flush();
  });

  test('TLS of a private authority → accepted with --nats-ca, refused without', async () => {
    await using server = await TestNatsServer.start('-c', tlsOf(authority.certificate('server')));
    await open(server.url, { ca: authority.ca });
    const facts = await probeNats({ servers: server.url, access: { ca: authority.ca }, name: 'test' });
    expect(facts).toMatchObject({ isLoopback: true, isEncrypted: true, asksForUser: false });
    expect(await refusal(server.url, {})).toMatch(
      /: name the file of the authority that has signed the server's certificate: --nats-ca$/,
    );
    const { ca } = new TestAuthority(directory, 'unknown');
    expect(await refusal(server.url, { ca })).toMatch(
      `: no authority in ${ca} (--nats-ca) has signed the server's certificate`,
    );
  });

  test('the file of another authority with the same name → refused by name of the file', async () => {
    await using server = await TestNatsServer.start('-c', tlsOf(authority.certificate('server')));
    const { ca } = new TestAuthority(mkdtempSync(join(directory, 'other-')), 'authority');
    expect(await refusal(server.url, { ca })).toMatch(
      `: no authority in ${ca} (--nats-ca) has signed the server's certificate`,
    );
  });

  test('the file of the authority is replaced during an outage → the log says why', async () => {
    await using server = await TestNatsServer.start('-c', tlsOf(authority.certificate('server')));
    const good = readFileSync(authority.ca, 'utf8');
    const ca = written('replaced.pem', good);
    const reasons: string[] = [];
    let said: () => void = () => undefined;
    const logger = {
      info: () => undefined,
      error: () => undefined,
      warn: (fields: object) => {
        if ('reason' in fields) reasons.push(String(fields.reason));
        said();
      },
    };
    const control = await connectNats({ servers: server.url, access: { ca }, name: 'test', logger, explainMs: 10 });
    controls.push(control);
    const heard = async (text: string) => {
      while (!reasons.some((reason) => reason.includes(text))) {
        await new Promise<void>((resolve) => {
          said = resolve;
        });
      }
    };
    await server.interrupt();
    await heard('connection refused');
    const { ca: other } = new TestAuthority(directory, 'other');
    writeFileSync(ca, readFileSync(other));
    await server.restore();
    await heard(`no authority in ${ca} (--nats-ca) has signed the server's certificate`);
    rmSync(ca);
    await heard(`${ca} doesn't exist`);
    expect(reasons).toEqual([...new Set(reasons)]);
    const back = next(control, 'connected');
    written('replaced.pem', good);
    await back;
    await control.flush();
  });

  test('mutual TLS → accepted with --nats-cert and --nats-key, refused without', async () => {
    const verify = `, ca_file: "${authority.ca}", verify: true`;
    await using server = await TestNatsServer.start('-c', tlsOf(authority.certificate('verifier'), verify));
    const { ca } = authority;
    await open(server.url, { ca, ...authority.certificate('client') });
    expect(await refusal(server.url, { ca })).toMatch(
      /: the server asks for a certificate of this program: --nats-cert and --nats-key$/,
    );
    const strange = new TestAuthority(directory, 'strange').certificate('client');
    expect(await refusal(server.url, { ca, ...strange })).toMatch(
      `: the server does not accept ${strange.cert} (--nats-cert): one of its authorities must have signed it`,
    );
  });

  test('the user may not read other inboxes → the probe finds that out', async () => {
    const user = nkeyUser();
    const permissions = 'permissions: { publish: ">", subscribe: ["_INBOX_client.own.>"] }';
    const configuration = `authorization { users: [ { nkey: ${user.publicKey}, ${permissions} } ] }`;
    await using server = await TestNatsServer.start('-c', written('inbox.conf', configuration));
    const access = { nkey: written('inbox.nk', user.seed) };
    const facts = await probeNats({ servers: server.url, access, name: 'test' });
    expect(facts).toMatchObject({ asksForUser: true, readsInboxes: false });
  });
});

describe('a server without TLS', () => {
  let server: Server;
  let received = '';
  let url: string;

  beforeAll(async () => {
    const greet = (socket: Socket) => {
      socket.on('data', (bytes) => {
        received += bytes.toString();
      });
      socket.on('error', () => socket.destroy());
      socket.write('INFO {"server_id":"x","version":"2.10.0","max_payload":1048576,"headers":true}\r\n');
    };
    server = createServer(greet).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    url = `127.0.0.1:${(server.address() as { port: number }).port}`;
  });
  afterAll(() => server.close());

  test.each<[string, NatsAccess]>([
    ['tls://', {}],
    ['nats://', { tls: 'required' }],
  ])('P28: %s with %o → refused before a password is sent', async (scheme, access) => {
    const servers = `${scheme}user:secret@${url}`;
    await expect(connectNats({ servers, access, name: 'test' })).rejects.toThrow(
      "server does not support 'tls': the server has no TLS, and --nats-tls, --nats-ca, --nats-cert or a tls:// URL requires it",
    );
    expect(received).toBe('');
  });
});

describe('files that cannot be used', () => {
  const none = '/nonexistent/file';
  const ONE_OF = '--nats-creds, --nats-nkey and --nats-signing-key: give one of them';

  test.each<[NatsAccess, string, string]>([
    [{ creds: none }, 'natsCreds', `--nats-creds: the file ${none} cannot be read (ENOENT)`],
    [{ nkey: '/dev/null' }, 'natsNkey', '--nats-nkey: the file /dev/null does not contain the seed of a user (SU…)'],
    [{ ca: '/dev/null' }, 'natsCa', '--nats-ca: the file /dev/null does not contain certificates in PEM'],
    [{ cert: '/dev/null' }, 'natsKey', '--nats-key: --nats-cert needs --nats-key, its private key'],
    [{ creds: none, nkey: none }, 'natsNkey', `--nats-nkey: ${ONE_OF}`],
    [{ nkey: none, signingKey: none }, 'natsSigningKey', `--nats-signing-key: ${ONE_OF}`],
    [
      { signingKey: '/dev/null' },
      'natsSigningKey',
      '--nats-signing-key: the file /dev/null does not contain the signing key of a role, as kvferry keys writes it',
    ],
  ])('%o → invalid_configuration', async (access, field, message) => {
    const refused = { code: 'invalid_configuration', field, message };
    await expect(connectNats({ servers: 'nats://127.0.0.1:1', access, name: 'test' })).rejects.toMatchObject(refused);
  });
});
