/**
 * Who may publish and subscribe what: the rights of each role at NATS, made from the subjects. `kvferry keys` puts them into the
 * configuration of the server, and `npm run docs` into docs/reference/permissions.md (decision 034).
 *
 * By default the names are templates: NATS replaces `{{name()}}` by the name of the user, and `{{tag(tenant)}}` by each tenant of
 * the user. So one rule serves all programs of a role.
 */
import { previousSubjects } from './previous-version.js';
import { agentInboxOf, clientInboxOf, type End, type Operation, type PeerOperation, subjects } from './subjects.js';
import { ALL_TENANTS, DEFAULT_TENANT } from './tenants.js';

export const roles = [
  'prefill-agent',
  'decode-agent',
  'both-agent',
  'prefill-engine',
  'decode-engine',
  'router',
  'observer',
  'operator',
  'tester',
] as const;
export type NatsRole = (typeof roles)[number];

export const roleMeanings: Readonly<Record<NatsRole, string>> = {
  'prefill-agent': '`kvferry agent --role prefill`. The name of the user is the name of the agent.',
  'decode-agent': '`kvferry agent --role decode`. The name of the user is the name of the agent.',
  'both-agent': '`kvferry agent --role both`. The name of the user is the name of the agent.',
  'prefill-engine': 'The engine beside a prefill agent, for one tenant.',
  'decode-engine': 'The engine beside a decode agent, for one tenant.',
  router: 'Looks agents up, routes and cancels requests, and reads how they end, for one tenant.',
  observer: '`kvferry status`, `top`, `inspect`, `explain` and `doctor`. It sees all tenants and changes nothing.',
  operator: 'An observer that may also cancel requests of every tenant, and provoke faults (`kvferry fault`).',
  tester: '`kvferry demo` and `kvferry doctor --probe` on agents that run: engines, router and observer at once.',
};

/** Whose rights they are: names, or templates of NATS. */
export interface RightsHolder {
  /** Of the user. */
  readonly name: string;
  /** The agent that an engine works with. */
  readonly agent: string;
  readonly tenant: string;
}

export interface Rights {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** What NATS replaces for each user. A template must be a whole token of the subject. */
const TEMPLATES: RightsHolder = { name: '{{name()}}', agent: '{{tag(agent)}}', tenant: '{{tag(tenant)}}' };

/** In a permission: every name in this place. */
const ANY = '*';
const ANY_END = ANY as End;

/**
 * Where agents answer. NATS could allow answers alone (`allow_responses`): to the subject that a message names, whatever subject that is.
 * Then an agent that sends itself a message could speak on every subject.
 */
const ANSWERS = [`${agentInboxOf(ANY)}.>`, `${clientInboxOf(ANY)}.>`];

/** What agents with each role send to other agents. */
const fromSenders: readonly PeerOperation[] = [
  ...(['ping', 'connect', 'allocate', 'commit', 'abort', 'drained', 'inquire', 'report', 'appeal'] as const),
];
const fromReceivers: readonly PeerOperation[] = [
  ...(['ping', 'handover', 'confirm', 'allocated', 'joined', 'ended'] as const),
  ...(['report', 'appeal', 'admit', 'prepare', 'verdict'] as const),
];

const rights: Readonly<Record<NatsRole, (holder: RightsHolder) => Rights>> = {
  'prefill-agent': (holder) => agent(holder, fromSenders),
  'decode-agent': (holder) => together(agent(holder, fromReceivers), may([subjects.audit(holder.name)])),
  'both-agent': (holder) => together(rights['prefill-agent'](holder), rights['decode-agent'](holder)),
  'prefill-engine': ({ name, agent: own, tenant }) =>
    together(
      client(name),
      may(
        [
          ...ask(own, tenant, 'attach', 'detach', 'stage', 'unstage', 'put', 'cancel', 'describe', 'sources'),
          ...ask(own, tenant, 'open', 'renew', 'barrier', 'end'),
          ...ask(ANY, tenant, 'status'),
        ],
        [subjects.sourceReleased(own, tenant), subjects.heartbeat(own), subjects.terminalsOf(tenant)],
      ),
    ),
  'decode-engine': ({ name, agent: own, tenant }) =>
    together(
      client(name),
      may(
        [
          ...ask(own, tenant, 'acquire', 'release', 'lookup', 'describe'),
          ...ask(ANY, tenant, 'route', 'cancel', 'status', 'sources'),
        ],
        [subjects.terminalsOf(tenant)],
      ),
    ),
  router: ({ name, tenant }) =>
    together(
      client(name),
      may(
        [
          ...[subjects.discover, subjects.lookup(tenant)],
          ...ask(ANY, tenant, 'lookup', 'route', 'cancel', 'status', 'describe', 'sources'),
        ],
        [subjects.heartbeats, subjects.terminalsOf(tenant)],
      ),
    ),
  observer: ({ name }) =>
    together(
      client(name),
      may(
        [
          ...[subjects.discover, ...ask(ANY, DEFAULT_TENANT, 'describe')],
          ...ask(ANY, ALL_TENANTS, 'status', 'describe', 'inspect', 'journal', 'explain'),
        ],
        [subjects.heartbeats, subjects.terminals, subjects.audit(ANY)],
      ),
    ),
  operator: (holder) =>
    together(rights.observer(holder), may([subjects.fault(ANY), ...ask(ANY, ALL_TENANTS, 'cancel')])),
  tester: (holder) =>
    together(
      rights['prefill-engine'](holder),
      rights['decode-engine'](holder),
      rights.router(holder),
      rights.observer(holder),
    ),
};

/** The rights of a role. Without `holder`, as templates of NATS. */
export function rightsOf(role: NatsRole, holder: RightsHolder = TEMPLATES): Rights {
  const { publish, subscribe } = rights[role](holder);
  return { publish: [...new Set(publish)].sort(), subscribe: [...new Set(subscribe)].sort() };
}

/** The roles that may publish to a subject, some of them for their own name, agents and tenants only. */
export function rolesThatPublish(subject: string): readonly NatsRole[] {
  const tokens = subject.split('.');
  return roles.filter((role) => rightsOf(role).publish.some((pattern) => covers(pattern.split('.'), tokens)));
}

function covers(pattern: readonly string[], tokens: readonly string[]): boolean {
  if (pattern.at(-1) === '>')
    return tokens.length >= pattern.length && covers(pattern.slice(0, -1), tokens.slice(0, pattern.length - 1));
  return pattern.length === tokens.length && pattern.every((token, place) => stands(token, tokens[place] ?? ''));
}

/** `_all` is the name of no user, agent or tenant. */
function stands(token: string, name: string): boolean {
  if (token.startsWith('{{')) return name !== ALL_TENANTS;
  return token === ANY || token === name;
}

/** What agents of every role do. Each speaks under its own name alone. */
function agent({ name }: RightsHolder, operations: readonly PeerOperation[]): Rights {
  return {
    publish: [
      ...[subjects.heartbeat(name), subjects.terminal(name, ANY, ANY_END), subjects.sourceReleased(name, ANY)],
      ...operations.map((operation) => subjects.peer(ANY, ANY, name, operation)),
      // An older process of the same name.
      subjects.peer(name, ANY, name, 'yield'),
      ...[subjects.operation(ANY, DEFAULT_TENANT, 'describe'), previousSubjects.describe(ANY)],
      ...ANSWERS,
    ],
    subscribe: [
      ...[
        subjects.operations(name),
        subjects.peers(name, ANY),
        subjects.fault(name),
        previousSubjects.operations(name),
      ],
      ...[subjects.discover, subjects.lookups, subjects.heartbeats, `${agentInboxOf(name)}.>`],
    ],
  };
}

/** Every other program. */
function client(name: string): Rights {
  return may([], [`${clientInboxOf(name)}.>`]);
}

function ask(agentName: string, tenant: string, ...operations: readonly Operation[]): string[] {
  return operations.map((operation) => subjects.operation(agentName, tenant, operation));
}

function may(publish: readonly string[], subscribe: readonly string[] = []): Rights {
  return { publish, subscribe };
}

function together(...parts: readonly Rights[]): Rights {
  return {
    publish: parts.flatMap(({ publish }) => publish),
    subscribe: parts.flatMap(({ subscribe }) => subscribe),
  };
}
