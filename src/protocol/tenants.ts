/**
 * Tenants share agents, and nothing else (P32). Engines and routers say which tenant they are in the subject, where the permissions
 * of NATS hold them to it. Inside an agent, between agents and for operators, a name has its tenant in front: `team-a prompt-17`.
 * A name of the default tenant has none. No name of a tenant contains a space, so a name belongs to one tenant.
 */
import { invalidField } from './errors.js';

export const DEFAULT_TENANT = 'default';
/** In a subject: an operator, who sees all tenants. The name of a tenant does not begin with `_`. */
export const ALL_TENANTS = '_all';

/** Between the key space and the key. No key has a control character. */
const SPACE_END = '\u001f';

/** The name inside agents. Throws `invalid_field` when the name has a tenant already. */
export function fullName(tenant: string, name: string, field: string): string {
  if (tenant === ALL_TENANTS) return name;
  if (name.includes(' ')) throw invalidField(field, `${field} has a space: a tenant names only what is its own`);
  return tenant === DEFAULT_TENANT ? name : `${tenant} ${name}`;
}

export function tenantOfName(name: string): string {
  const end = name.indexOf(' ');
  return end < 0 ? DEFAULT_TENANT : name.slice(0, end);
}

/** The name as its tenant gave it. */
export function ownName(name: string): string {
  return name.slice(name.indexOf(' ') + 1);
}

/** Whether what has this name is shown to a tenant. */
export function isOf(tenant: string, name: string | undefined): boolean {
  return tenant === ALL_TENANTS || (name !== undefined && tenantOfName(name) === tenant);
}

/** How many of these names are shown to a tenant. */
export function countOf(tenant: string, names: Iterable<string>): number {
  let count = 0;
  for (const name of names) if (isOf(tenant, name)) count += 1;
  return count;
}

/** The key inside a decode agent: equal keys of two key spaces are two chunks. */
export function fullKey(space: string, key: string): string {
  return space === DEFAULT_TENANT ? key : `${space}${SPACE_END}${key}`;
}

export function fullKeys(space: string, keys: readonly string[]): readonly string[] {
  return space === DEFAULT_TENANT ? keys : keys.map((key) => fullKey(space, key));
}

/** The key as its request named it. */
export function ownKey(key: string): string {
  return key.slice(key.indexOf(SPACE_END) + 1);
}

/** For observers of all tenants. */
export function keyWithSpace(key: string): string {
  return key.replace(SPACE_END, ' ');
}
