/** Holes that are planted into a deployment, to see that the attacks find them: one right too many in the scope of a role. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import type { Spoil } from './cluster/deployment.js';

export interface Hole {
  readonly name: string;
  /** Attacks whose names contain this text must succeed. */
  readonly finds: string;
  readonly by: string;
  readonly role: string;
  /** Adds the right. */
  widen(template: Template): void;
}

interface Permission {
  allow?: string[];
}

interface Template {
  pub?: Permission;
  sub?: Permission;
  resp?: { readonly max: number; readonly ttl: number };
}

const TEN_MINUTES_NS = 600_000_000_000;

export const holes: readonly Hole[] = [
  {
    name: 'observer-reads-everything',
    ...{ finds: 'subscribe to everything', by: 'observer' },
    ...{ role: 'observer', widen: allowing('sub', '>') },
  },
  {
    name: 'agents-speak-for-others',
    ...{ finds: 'abort about a request of others, in the name of their agent', by: 'prefill-9' },
    ...{ role: 'prefill-agent', widen: allowing('pub', 'kvferry.v2.peer.*.*.*.*') },
  },
  {
    name: 'tenants-ask-for-others',
    ...{ finds: 'cancel a request of another tenant, at both agents', by: 'engine-prefill-0-team-b' },
    ...{ role: 'prefill-engine', widen: allowing('pub', 'kvferry.v2.agent.*.*.cancel') },
  },
  {
    name: 'agents-answer-anywhere',
    ...{ finds: 'ask itself with a subject of another agent', by: 'prefill-9' },
    role: 'prefill-agent',
    widen: (template) => {
      template.resp = { max: 1, ttl: TEN_MINUTES_NS };
    },
  },
];

/** A user whose rights are a scope: NATS takes them from the account, by the key that has signed the user. */
interface Scope {
  readonly kind: 'user_scope';
  readonly key: string;
  readonly template: Template;
}

interface Claims {
  readonly iss: string;
  readonly nats: { readonly type: string; readonly signing_keys?: readonly (string | Scope)[] };
}

function allowing(right: 'pub' | 'sub', subject: string) {
  return (template: Template) => {
    template[right] = { allow: [...(template[right]?.allow ?? []), subject] };
  };
}

const JWT = /eyJ[\w-]+\.[\w-]+\.[\w-]+/g;

/** Widens the scope of the role in the account of nats.conf, and signs the account again. */
export function plant({ role, widen }: Hole): Spoil {
  return (directory) => {
    const path = join(directory, 'server/accounts.conf');
    const signingKey = publicKeyOf(readFileSync(join(directory, 'signing', `${role}.nk`), 'utf8'));
    const operator = readFileSync(join(directory, 'private/operator.nk'), 'utf8');
    let isWidened = false;
    const changed = readFileSync(path, 'utf8').replaceAll(JWT, (token) => {
      const claims = claimsOf(token);
      const scope = claims.nats.signing_keys?.find((one) => typeof one !== 'string' && one.key === signingKey);
      if (scope === undefined || typeof scope === 'string') return token;
      widen(scope.template);
      isWidened = true;
      return signed(token, claims, operator);
    });
    if (!isWidened) throw new Error(`no account in ${path} has a scope for ${role}`);
    writeFileSync(path, changed);
  };
}

function claimsOf(token: string): Claims {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as Claims;
}

function signed(token: string, claims: Claims, seed: string): string {
  const [header] = token.split('.');
  const body = Buffer.from(JSON.stringify(claims)).toString('base64url');
  const signature = keyOf(seed).sign(Buffer.from(`${header}.${body}`));
  return `${header}.${body}.${Buffer.from(signature).toString('base64url')}`;
}

function publicKeyOf(seed: string): string {
  return keyOf(seed).getPublicKey();
}

function keyOf(text: string): ReturnType<typeof nkeys.fromSeed> {
  const seed = /S[A-Z][A-Z2-7]{56}/.exec(text)?.[0] ?? '';
  return nkeys.fromSeed(Buffer.from(seed));
}
