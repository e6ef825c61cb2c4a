/** Answers messages: checks each one, runs its handler, and replies with the result or with a typed error. */
import type { z } from 'zod';
import type { ControlMessage, ControlSubscription } from '../../ports/control.js';
import type { Body } from '../../protocol/body.js';
import { decode, encodeError } from '../../protocol/codec.js';
import { KvferryError } from '../../protocol/errors.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import { previousRefusal, previousSubjects } from '../../protocol/previous-version.js';
import { shortened } from '../../protocol/shown-text.js';
import { operationOf } from '../../protocol/subjects.js';
import type { AgentEnv } from '../env/agent-env.js';
import { type About, aboutMessage } from '../observing/journal.js';
import { refusalLevel } from '../observing/log-level.js';

/** A caller may name any operation. */
const OPERATION_LENGTH_MAX = 64;

/** The messages of each operation. */
export type Schemas = Record<string, { request: z.ZodType; reply: z.ZodType }>;

/** Each handler returns the body of its reply. `from`: the agent or the tenant that sent the message. */
export type Handlers<S extends Schemas> = {
  readonly [Operation in keyof S]: (
    request: z.infer<S[Operation]['request']>,
    from: string,
  ) => Body<z.infer<S[Operation]['reply']>> | Promise<Body<z.infer<S[Operation]['reply']>>>;
};

/** Operations that only read, and the sign of life of a session. They are not entered in the journal. */
const readOnly: ReadonlySet<string> = new Set([
  ...['ping', 'discover', 'describe', 'status', 'inspect', 'journal', 'explain', 'sources', 'renew'],
]);

/** Who sends messages of a kind, and what. */
export interface Sent {
  /** The operation that a subject names. */
  operation(subject: string): string;
  /** Who speaks: an agent, or a tenant. */
  from(subject: string): string;
  /** Checks who speaks, and returns the message as the agent reads it. */
  enter<R extends object>(request: R, from: string, operation: string): R;
}

/** Serves every operation below `subject` (which ends in `*`). An operation without a handler is refused. */
export function serve<S extends Schemas>(
  env: AgentEnv,
  subject: string,
  schemas: S,
  handlers: Partial<Handlers<S>>,
  sent: Sent,
): ControlSubscription {
  return env.control.subscribe(subject, (message) => {
    const operation = shortened(sent.operation(message.subject), OPERATION_LENGTH_MAX);
    const notes = { operation, startedMs: env.clock.now(), about: {} as About };
    answer(env, message.respond, notes, () => {
      const schema = Object.hasOwn(schemas, operation) ? schemas[operation] : undefined;
      if (schema === undefined) {
        throw new KvferryError('unknown_operation', `there is no operation ${operation}`, { field: 'subject' });
      }
      const from = sent.from(message.subject);
      const handler = handlers[operation];
      // Before the body is read, which takes long when the body is large.
      if (handler === undefined) {
        const { agent, role } = env.options;
        const message = `agent ${agent} has role ${role} and does not serve ${operation}`;
        throw new KvferryError('role_mismatch', message, { field: 'subject' });
      }
      const request = sent.enter(decode(schema.request, message.body) as object, from, operation);
      notes.about = aboutMessage(request);
      env.tracer?.received(operation, notes.about, message.headers);
      return handler(request as never, from);
    });
  });
}

/** What the journal keeps of a message. */
interface Notes {
  readonly operation: string;
  readonly startedMs: number;
  about: About;
}

type Respond = ControlMessage['respond'];

/** An answer that comes later keeps nothing of the message (P28): a large body may have little in it. */
function answer(env: AgentEnv, respond: Respond, notes: Notes, handle: () => object | Promise<object>): void {
  try {
    const result = handle();
    if (result instanceof Promise) void answerLater(env, respond, notes, result);
    else answerNow(env, respond, notes, result);
  } catch (error) {
    refuseAndRemember(env, respond, notes, error);
  }
}

async function answerLater(env: AgentEnv, respond: Respond, notes: Notes, result: Promise<object>): Promise<void> {
  try {
    answerNow(env, respond, notes, await result);
  } catch (error) {
    refuseAndRemember(env, respond, notes, error);
  }
}

function answerNow(env: AgentEnv, respond: Respond, notes: Notes, body: object): void {
  respond(JSON.stringify({ v: PROTOCOL_VERSION, ok: true, ...body }));
  remember(env, notes, undefined);
}

function refuseAndRemember(env: AgentEnv, respond: Respond, notes: Notes, error: unknown): void {
  const { code } = refuse(env, respond, notes, error);
  remember(env, notes, code);
}

function remember({ journal, clock }: AgentEnv, { operation, startedMs, about }: Notes, code: string | undefined) {
  if (!readOnly.has(operation)) journal.message('in', operation, about, clock.now() - startedMs, code);
}

/** Refuses every message of the previous protocol version, in its own words. */
export function servePrevious(env: AgentEnv): ControlSubscription {
  const { agent } = env.options;
  const { error, body } = previousRefusal(agent);
  return env.control.subscribe(previousSubjects.operations(agent), (message) => {
    const operation = shortened(operationOf(message.subject), OPERATION_LENGTH_MAX);
    refuse(env, message.respond, { operation, startedMs: env.clock.now() }, error, body);
  });
}

/** Counts and logs a refusal, and replies with it. */
function refuse(
  env: AgentEnv,
  respond: Respond,
  { operation, startedMs }: Pick<Notes, 'operation' | 'startedMs'>,
  error: unknown,
  body?: string,
): KvferryError {
  const known = error instanceof KvferryError;
  const refused = known ? error : new KvferryError('internal', `${operation} failed`, { cause: error });
  env.counters.add('messages_refused');
  env.counters.add(`errors_${refused.code}`);
  const details = { operation, code: refused.code, field: refused.field, reason: refused.message };
  if (known) env.refusals.log(startedMs, refusalLevel(refused.code), details, 'message refused');
  else env.refusals.log(startedMs, 'error', { ...details, err: error }, 'message failed');
  try {
    respond(body ?? encodeError(refused));
  } catch (sendError) {
    env.logger.warn({ operation, err: sendError }, 'refusal not sent');
  }
  return refused;
}
