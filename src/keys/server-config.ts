/** The configuration of a NATS server that lets in the users of this directory alone, over TLS. */
import { SERVER_FILE, SERVER_KEY_FILE } from './certificates.js';
import type { KeyDirectory } from './key-directory.js';

const SERVER_CONFIG_FILE = 'server/nats.conf';
/** `nats.conf` includes it. It changes when the rights of a role change. */
const ACCOUNTS_FILE = 'server/accounts.conf';

/** Writes `nats.conf` when there is none, so that changes of an operator stay. */
export function makeServerConfig(directory: KeyDirectory, accounts: string): void {
  directory.write(ACCOUNTS_FILE, accounts);
  if (directory.read(SERVER_CONFIG_FILE) === undefined) directory.write(SERVER_CONFIG_FILE, configOf(directory));
}

function configOf(directory: KeyDirectory): string {
  return `# A NATS server for kvferry, made by kvferry keys. You may change this file: kvferry keys keeps it.
# nats-server --config ${directory.fullPath(SERVER_CONFIG_FILE)}

server_name: kvferry
listen: 0.0.0.0:4222

# Health and metrics (/healthz, /varz, /connz), for programs on this host or in this container. They need no login.
http: 127.0.0.1:8222

# Every connection is encrypted. The server reads renewed files when it gets SIGHUP.
tls {
  cert_file: ${JSON.stringify(directory.fullPath(SERVER_FILE))}
  key_file: ${JSON.stringify(directory.fullPath(SERVER_KEY_FILE))}
  timeout: 5
}

# Who may connect, and what each role may say: the operator, the account, and the rights of its signing keys.
include ./accounts.conf

# kvferry splits long page lists into messages below this limit.
max_payload: 1MB
max_connections: 4096

# A client that reads more slowly than this has stopped. NATS disconnects it, so that its peers recover sooner.
write_deadline: "5s"
max_pending: 64MB

# NATS closes a dead connection within ping_interval * ping_max. Agents notice a dead peer earlier, by kvferry's heartbeats.
ping_interval: "10s"
ping_max: 3

# lame_duck_duration gives clients time to move to another server before this one stops.
lame_duck_grace_period: "2s"
lame_duck_duration: "30s"
`;
}
