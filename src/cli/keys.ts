/** `kvferry keys`: what a deployment with NATS permissions and TLS needs, and the table of who may say what. */
import { Command, Option } from 'commander';
import type { KeyFile } from '../keys/key-directory.js';
import { type NatsRole, rightsOf, roles } from '../protocol/permissions.js';
import { renderTable } from './table.js';
import type { Terminal } from './terminal.js';

interface MakeFlags {
  readonly directory: string;
  readonly serverName: readonly string[];
  readonly user: readonly string[];
  readonly json?: true;
}

interface IssueFlags {
  readonly directory: string;
  readonly role: string;
  readonly name: string;
  readonly agent: readonly string[];
  readonly tenant: readonly string[];
  readonly output?: string;
  readonly json?: true;
}

const explanation = `
A second call makes what is missing, and never replaces a key.

  DIR/ca.pem                 authority: --nats-ca of every program
  DIR/server/                nats-server --config DIR/server/nats.conf
  DIR/signing/ROLE.nk        signing key of a role: --nats-signing-key of its agents
  DIR/users/NAME.creds       one user: --nats-creds
  DIR/private/               keys of the authority, the operator and the account: no running program needs them`;

export function keysCommand(terminal: Terminal): Command {
  const command = new Command('keys')
    .description('Make keys, certificates and the configuration of a NATS server that knows who may say what.')
    .requiredOption('--directory <dir>', 'where the files are')
    .addOption(several('--server-name <host>', 'name or address under which programs reach NATS'))
    .addOption(several('--user <role:name[:agent][@tenant]>', 'make a user too, beside observer, operator and router'))
    .option('--json', 'print the files and the table as one JSON object')
    .addHelpText('after', explanation)
    .action(async (flags: MakeFlags) => {
      const { makeKeys } = await import('../keys/make-keys.js');
      const files = await makeKeys({
        directory: flags.directory,
        serverNames: flags.serverName,
        users: flags.user,
      });
      terminal.out(flags.json ? JSON.stringify({ files, roles: roles.map(rightsRow) }) : rendered(files));
    });
  return command.addCommand(issueCommand(terminal)).addCommand(revokeCommand(terminal));
}

function issueCommand(terminal: Terminal): Command {
  return new Command('issue')
    .description('Make the creds file of one more user. The server needs no change.')
    .requiredOption('--role <role>', `one of ${roles.join(', ')}`)
    .requiredOption('--name <name>', 'name of the user; that of an agent is the name of the agent')
    .addOption(several('--agent <name>', 'agent that the engine works with', 'every agent'))
    .addOption(several('--tenant <name>', 'tenant that the engine or router asks for', 'default'))
    .option('--output <file>', 'the file to make (default: DIR/users/NAME.creds)')
    .addHelpText('after', '\n--directory and --json of kvferry keys apply here too.')
    .action(async (_: object, command: Command) => {
      const flags = command.optsWithGlobals<IssueFlags>();
      const { issueUser } = await import('../keys/make-keys.js');
      const { checkedUser } = await import('../keys/users.js');
      const { directory, role, name, agent: agents, tenant: tenants, output, json } = flags;
      const file = issueUser(directory, checkedUser({ role, name, agents, tenants }), output);
      terminal.out(json ? JSON.stringify({ role, name, file }) : `${file}: user ${name}, role ${role}`);
    });
}

interface RevokeFlags {
  readonly directory: string;
  readonly name?: string;
  readonly creds?: string;
  readonly json?: true;
}

function revokeCommand(terminal: Terminal): Command {
  return new Command('revoke')
    .description('Take the rights of one user away. The server refuses the user when it has got SIGHUP.')
    .addOption(new Option('--name <name>', 'the user of DIR/users/NAME.creds, which is removed').conflicts('creds'))
    .option('--creds <file>', 'the user of this creds file, which stays')
    .addHelpText('after', '\n--directory and --json of kvferry keys apply here too.')
    .action(async (_: object, command: Command) => {
      const { directory, name, creds, json } = command.optsWithGlobals<RevokeFlags>();
      if (name === undefined && creds === undefined) command.error("error: give '--name <name>' or '--creds <file>'");
      const { revokeUser } = await import('../keys/make-keys.js');
      const user = await revokeUser(directory, creds === undefined ? { name: name ?? '' } : { file: creds });
      const next = 'send the NATS server SIGHUP: it refuses the user from then on, and ends its connections';
      terminal.out(json ? JSON.stringify({ revoked: user }) : `user ${user} is revoked; ${next}`);
    });
}

function several(flags: string, description: string, fallback = 'none'): Option {
  return new Option(flags, `${description}; repeat it for several`)
    .argParser((value, values: readonly string[]) => [...values, value])
    .default([], fallback);
}

function rightsRow(role: NatsRole): object {
  return { role, ...rightsOf(role) };
}

function rendered(files: readonly KeyFile[]): string {
  const rows = roles.flatMap((role) => {
    const { publish, subscribe } = rightsOf(role);
    const may = [
      ...publish.map((subject) => ['publish', subject]),
      ...subscribe.map((subject) => ['subscribe', subject]),
    ];
    return may.map(([what = '', subject = '']) => [role, what, subject]);
  });
  const made = files.map(({ path, state }) => [path, state]);
  return [renderTable(['FILE', 'STATE'], made), renderTable(['ROLE', 'MAY', 'SUBJECT'], rows)].join('\n\n');
}
