/** Where a command finds NATS and how it gets in: the options and variables of the agent's settings of the same names. */
import type { Command } from 'commander';
import { type AgentConfig, configFields, resolveAgentConfig } from '../config/agent-config.js';
import type { NatsAccess } from '../control/nats-access.js';

const NAMES: ReadonlySet<string> = new Set([
  'natsCreds',
  'natsNkey',
  'natsSigningKey',
  'natsCa',
  'natsCert',
  'natsKey',
  'natsTls',
]);
const fields = configFields.filter(({ name }) => NAMES.has(name));
const INBOX = 'KVFERRY_NATS_INBOX';
const [urlField] = configFields.filter(({ name }) => name === 'natsUrl');

/** The flags, as commander names them. */
export interface NatsFlags {
  readonly nats?: string;
  readonly natsCreds?: string;
  readonly natsNkey?: string;
  readonly natsSigningKey?: string;
  readonly natsCa?: string;
  readonly natsCert?: string;
  readonly natsKey?: string;
  readonly natsTls?: string;
  readonly natsInbox?: string;
}

/** For `connectNats`. */
export interface NatsPlace {
  readonly servers: string;
  readonly access: NatsAccess;
  /** Where answers come: below `_INBOX_client.<inbox>`. Undefined: that of the user, or below the name of the command. */
  readonly inbox?: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

export function addNatsOptions(command: Command): Command {
  command.option('--nats <url>', `NATS server [${urlField?.env}] (default ${urlField?.fallback})`);
  return addAccessOptions(command);
}

/** Without `--nats`. */
export function addAccessOptions(command: Command): Command {
  for (const { flag, env, explanation, range } of fields) {
    command.option(`${flag} <value>`, `${explanation} (${range}) [${env}]`);
  }
  command.option(
    '--nats-inbox <name>',
    `Answers come below _INBOX_client.<name>, as permissions of NATS allow it (default: the name in --nats-creds) [${INBOX}]`,
  );
  return command;
}

/** From the flags, the environment, or the defaults. Throws `invalid_configuration`. */
export function natsPlace(flags: NatsFlags, env: Environment): NatsPlace {
  const chosen = Object.fromEntries(fields.map(({ name }) => [name, flags[name as keyof NatsFlags]]));
  // Other variables are settings of an agent, and none of a tool's business.
  const own = Object.fromEntries(
    [...fields, ...(urlField ? [urlField] : [])].map((field) => [field.env, env[field.env]]),
  );
  const { values } = resolveAgentConfig({ flags: { ...chosen, natsUrl: flags.nats }, env: own });
  return { ...placeOf(values), inbox: flags.natsInbox ?? (env[INBOX] || undefined) };
}

export function placeOf(config: AgentConfig): NatsPlace {
  const { natsUrl: servers, natsCreds: creds, natsNkey: nkey, natsCa: ca, natsCert: cert, natsKey: key } = config;
  const { natsSigningKey: signingKey, natsTls: tls } = config;
  return { servers, access: { creds, nkey, signingKey, ca, cert, key, tls } };
}

/** The same place, for the environment of another process of this host: the flags of a process are public. */
export function natsEnvironment({ servers, access, inbox }: NatsPlace): Record<string, string> {
  const { creds, nkey, signingKey, ca, cert, key, tls } = access;
  const named = { NATS_URL: servers, NATS_CREDS: creds, NATS_NKEY: nkey, NATS_CA: ca, NATS_CERT: cert, NATS_KEY: key };
  const more = { NATS_SIGNING_KEY: signingKey, NATS_TLS: tls, NATS_INBOX: inbox };
  const variables = Object.entries({ ...named, ...more }).map(([name, value]) => [`KVFERRY_${name}`, value ?? '']);
  return Object.fromEntries(variables);
}
