/** What is around a body: the subject, where the answer goes, headers, and spaces. */
import { type MsgHdrs, headers as natsHeaders } from '@nats-io/transport-node';
import type { Random } from '../../../src/figures/random.js';
import { ALL_TENANTS } from '../../../src/protocol/tenants.js';

const STRANGE_TOKEN_CHANCE = 0.02;
const HEADERS_CHANCE = 0.02;
const PADDED_CHANCE = 0.01;
/** `kvferry.v2.agent` and the like: without them no agent receives the message. */
const TOKENS_KEPT = 3;
/** NATS lets a subject of this length through. */
const LONG_TOKEN = 'x'.repeat(2000);
const TOKENS = ['__proto__', 'constructor', 'toString', ALL_TENANTS, '_x', 'team-a', 'é', 'describe', LONG_TOKEN];
/** Just below the largest message, headers and body together. */
const LARGE_BYTES = 900_000;

/** Sometimes another operation, tenant, sender or addressee. */
export function strangeSubject(subject: string, random: Random): string {
  if (!random.chance(STRANGE_TOKEN_CHANCE)) return subject;
  const tokens = subject.split('.');
  if (tokens.length <= TOKENS_KEPT) return subject;
  tokens[random.integer(TOKENS_KEPT, tokens.length - 1)] = random.pick(TOKENS);
  return tokens.join('.');
}

/** A place for the answer where it would be a message of the agent that answers. */
export function strangeReply(agent: string, random: Random): string {
  const replies = ['discover', 'heartbeat.ghost-0', `heartbeat.${agent}`, `agent.${agent}.default.describe`];
  return `kvferry.v2.${random.pick(replies)}`;
}

/** Sometimes a trace, with much beside it: as much as the largest message has room for, beside a body of so many bytes. */
export function strangeHeaders(bodyBytes: number, random: Random): MsgHdrs | undefined {
  if (!random.chance(HEADERS_CHANCE)) return undefined;
  const headers = natsHeaders();
  const digits = (length: number) => Array.from({ length }, () => random.integer(0, 15).toString(16)).join('');
  headers.set('traceparent', random.pick([`00-${digits(32)}-${digits(16)}-01`, 'nonsense', '']));
  headers.set('tracestate', random.pick(['a=1', 'a='.repeat(2000)]));
  headers.set('baggage', random.pick(['a=1', 'a=1,'.repeat(2000)]));
  const bytes = random.pick([1, 5000, LARGE_BYTES / 20, LARGE_BYTES / 2]);
  headers.set('more', 'x'.repeat(Math.max(1, Math.min(bytes, LARGE_BYTES - bodyBytes))));
  return headers;
}

/** Sometimes as large as a message may be, with no more in it than before. */
export function padded(text: string, random: Random): string {
  return random.chance(PADDED_CHANCE) ? text.padEnd(LARGE_BYTES) : text;
}
