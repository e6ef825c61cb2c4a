/** Reading what others say: keys, allocations, remote keys. */
import { readFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import { within } from '../../../src/processes/within.js';
import type { Attack, Stage } from '../attack.js';
import { optionsOf } from '../attacker.js';
import { makeKeys } from '../cluster/deployment.js';
import { NOBODY } from '../run-attack.js';
import { engineOf, ROGUE, routerOf } from '../users.js';
import { overheard } from './tried.js';

const SOCKET_TIMEOUT_MS = 5_000;
const K = 'kvferry.v2';

/** What agents and engines say while an honest request goes from its start to its end. */
async function anotherRequest({ cluster, victim }: Stage): Promise<void> {
  await (await cluster.engine(victim.prefill, victim.tenant)).status(victim.prefill, {}, { tenant: victim.tenant });
  await (await cluster.router(victim.tenant)).lookup(victim.decode, { keys: [...victim.keys] });
}

/** An eavesdropper who subscribes to all of that. */
function eavesdropping(by: string, name: string, ...subjects: readonly string[]): Attack {
  return { name, by, run: (stage) => overheard(stage.attacker, subjects, () => anotherRequest(stage)) };
}

export const read: readonly Attack[] = [
  {
    name: 'connect to NATS without credentials',
    by: NOBODY,
    async run({ attacker, cluster: { deployment } }) {
      const entered = await attacker.enter(
        { servers: deployment.servers, tls: { caFile: deployment.ca } },
        'without credentials',
      );
      return entered ? 'NATS let it in' : undefined;
    },
  },
  {
    name: 'connect to NATS with a user name and a password',
    by: NOBODY,
    async run({ attacker, cluster: { deployment } }) {
      const options = {
        servers: deployment.servers,
        tls: { caFile: deployment.ca },
        user: 'operator',
        pass: 'operator',
      };
      return (await attacker.enter(options, 'with a password')) ? 'NATS let it in' : undefined;
    },
  },
  {
    name: 'connect to NATS with credentials that another authority has issued',
    by: NOBODY,
    async run({ attacker, cluster }) {
      const { deployment } = cluster;
      const foreign = makeKeys(join(deployment.directory, '..', 'foreign'), []);
      const creds = readFileSync(join(foreign, 'users/operator.creds'));
      const options = optionsOf(deployment.credentialsOf('operator'), creds);
      return (await attacker.enter(options, 'with credentials of another authority')) ? 'NATS let it in' : undefined;
    },
  },
  {
    name: 'change the tenant in its own credentials',
    by: engineOf('prefill-0', 'team-b'),
    async run({ attacker, cluster: { deployment } }) {
      const credentials = deployment.credentialsOf(attacker.user);
      const changed = withBody(readFileSync(credentials.access.creds ?? '', 'utf8'), (body) =>
        body.replaceAll('team-b', 'team-a'),
      );
      const options = optionsOf(credentials, Buffer.from(changed));
      return (await attacker.enter(options, 'with changed credentials')) ? 'NATS let it in' : undefined;
    },
  },
  {
    name: 'change its name in its own credentials to that of another agent',
    by: ROGUE.prefill,
    async run({ attacker, cluster: { deployment } }) {
      const credentials = deployment.credentialsOf(attacker.user);
      const changed = withBody(readFileSync(credentials.access.creds ?? '', 'utf8'), (body) =>
        body.replaceAll(ROGUE.prefill, 'prefill-0'),
      );
      const options = optionsOf(credentials, Buffer.from(changed));
      return (await attacker.enter(options, 'with changed credentials')) ? 'NATS let it in' : undefined;
    },
  },
  {
    name: 'read messages in the clear, without TLS',
    by: NOBODY,
    async run(stage) {
      const received = within(SOCKET_TIMEOUT_MS, 'the socket stays open', plainText(stage.cluster.deployment.port));
      await anotherRequest(stage);
      const text = await received;
      const lines = text.split('\r\n').filter((line) => line !== '' && !line.startsWith('INFO '));
      const isRefused = /"tls_required":true/.test(text) && !lines.some((line) => line.startsWith('MSG'));
      stage.attacker.refusals.push(`connection without TLS: ${lines.join(' ') || 'closed'}`);
      return isRefused ? undefined : `the server answered ${text.slice(0, 200)}`;
    },
  },
  eavesdropping('observer', 'subscribe to everything', '>'),
  eavesdropping(
    'observer',
    'read answers to others',
    '_INBOX.>',
    '_INBOX_agent.>',
    '_INBOX_agent.prefill-0.>',
    '_INBOX_client.>',
    '*.>',
  ),
  eavesdropping('observer', 'read messages between agents', `${K}.peer.>`, `${K}.peer.decode-0.*.*.allocate`),
  eavesdropping('observer', 'read questions of engines', `${K}.agent.>`, `${K}.lookup.*`),
  eavesdropping('observer', 'read what NATS itself says', '$SYS.>', '$JS.>'),
  eavesdropping(routerOf('default'), 'read answers to an agent', '_INBOX_agent.prefill-0.>', '_INBOX_agent.decode-0.>'),
  eavesdropping(routerOf('default'), 'read messages between agents', `${K}.peer.>`, `${K}.*.decode-0.>`),
  eavesdropping(
    'operator',
    'read answers and messages of agents',
    '_INBOX_agent.prefill-0.>',
    `${K}.peer.>`,
    `${K}.agent.>`,
  ),
  eavesdropping(
    'engine-decode-0-default',
    'read messages between agents and others',
    `${K}.peer.>`,
    '_INBOX_agent.decode-0.>',
  ),
  eavesdropping(
    'engine-prefill-0-default',
    'read puts of other engines',
    `${K}.agent.prefill-0.>`,
    '_INBOX_agent.prefill-0.>',
  ),
  eavesdropping(
    ROGUE.prefill,
    'read what other agents receive',
    `${K}.peer.decode-0.>`,
    `${K}.agent.prefill-0.>`,
    '_INBOX_agent.prefill-0.>',
  ),
  eavesdropping(ROGUE.decode, 'read ends and audits of others', `${K}.event.>`, `${K}.audit.*`, `${K}.source.>`),
];

/** A creds file whose JWT has another body, and the signature of the old one. */
function withBody(creds: string, change: (body: string) => string): string {
  return creds.replace(/(eyJ[\w-]+)\.([\w-]+)\./, (_, header: string, body: string) => {
    const changed = change(Buffer.from(body, 'base64url').toString('utf8'));
    return `${header}.${Buffer.from(changed).toString('base64url')}.`;
  });
}

/** Everything that the server says to a program that ignores TLS. */
function plainText(port: number): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connectSocket({ host: '127.0.0.1', port });
    socket.setEncoding('utf8');
    socket.on('data', (part: string) => {
      text += part;
      if (text.startsWith('INFO') && !socket.writableEnded) {
        socket.end(
          'CONNECT {"verbose":false,"pedantic":false,"tls_required":false,"headers":true}\r\nSUB > 1\r\nPING\r\n',
        );
      }
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
}
