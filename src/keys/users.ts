/** Users of NATS: a name, a role, and what the role leaves open. */
import { isUserOf, newUser, type SigningKey, type UserNames } from '../control/nats-jwt.js';
import { KvferryError } from '../protocol/errors.js';
import { agentName, tenantName } from '../protocol/fields.js';
import { type NatsRole, roles } from '../protocol/permissions.js';
import { DEFAULT_TENANT } from '../protocol/tenants.js';

export interface KeyUser {
  readonly role: NatsRole;
  readonly name: string;
  /** The agents that an engine works with. Without one: every agent. */
  readonly agents: readonly string[];
  readonly tenants: readonly string[];
}

const EVERY_AGENT = '*';
/** `role:name[:agent][@tenant]` */
const USER = /^([^:@]+):([^:@]+)(?::([^:@]+))?(?:@([^:@]+))?$/;

/** Throws `invalid_configuration`. */
export function userIn(text: string): KeyUser {
  const [, role = '', name = '', agent, tenant] = USER.exec(text) ?? [];
  if (role === '')
    throw invalid('user', `--user ${JSON.stringify(text)} is not role:name, role:name:agent or role:name@tenant`);
  return checkedUser({
    role,
    name,
    agents: agent === undefined ? [] : [agent],
    tenants: tenant === undefined ? [] : [tenant],
  });
}

/** Throws `invalid_configuration`. */
export function checkedUser({
  role,
  name,
  agents,
  tenants,
}: Omit<KeyUser, 'role'> & { readonly role: string }): KeyUser {
  if (!roles.includes(role as NatsRole)) {
    throw invalid('role', `there is no role ${JSON.stringify(role)}; the roles are ${roles.join(', ')}`);
  }
  requireUserName(name);
  for (const agent of agents) requireTag('agent', agent, agent === EVERY_AGENT || agentName.safeParse(agent).success);
  for (const tenant of tenants) requireTag('tenant', tenant, tenantName.safeParse(tenant).success);
  return { role: role as NatsRole, name, agents, tenants };
}

/** Throws `invalid_configuration`. */
export function requireUserName(name: string): void {
  if (agentName.safeParse(name).success) return;
  throw invalid('name', `${JSON.stringify(name)} is not the name of a user: use letters, digits, _ and -, up to 64`);
}

/**
 * Tools of NATS write tags in lower case, and servers compare them as they are. So two names that differ in case alone could stand
 * for one another.
 */
function requireTag(field: 'agent' | 'tenant', value: string, isName: boolean): void {
  if (!isName)
    throw invalid(field, `${JSON.stringify(value)} is not the name of ${field === 'agent' ? 'an' : 'a'} ${field}`);
  if (value !== value.toLowerCase()) {
    throw invalid(
      field,
      `${field} ${value} has upper case, which NATS does not keep apart in users: name it ${value.toLowerCase()}`,
    );
  }
}

/** The content of a creds file, as `nsc generate creds` writes it. */
export function credsOf(key: SigningKey, user: KeyUser): string {
  const { jwt, seed } = newUser(key, namesOf(user));
  return [
    '-----BEGIN NATS USER JWT-----',
    jwt,
    '------END NATS USER JWT------',
    '',
    '************************* IMPORTANT *************************',
    'The seed below proves who this user is: keep it secret.',
    '',
    '-----BEGIN USER NKEY SEED-----',
    Buffer.from(seed).toString('latin1'),
    '------END USER NKEY SEED------',
    '',
  ].join('\n');
}

/** Whether the creds file gives this user the rights of the key, and no others. */
export function isCredsOf(creds: string, key: SigningKey, user: KeyUser): boolean {
  return isUserOf(creds, key, namesOf(user));
}

function namesOf({ name, agents, tenants }: KeyUser): UserNames {
  return {
    name,
    agents: agents.length === 0 ? [EVERY_AGENT] : agents,
    tenants: tenants.length === 0 ? [DEFAULT_TENANT] : tenants,
  };
}

function invalid(field: string, message: string): KvferryError {
  return new KvferryError('invalid_configuration', message, { field });
}
