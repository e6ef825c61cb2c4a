/** Answers messages: checks each one, runs its handler, and replies with the result or with a typed error. */
import type { z } from 'zod';
import type { ControlMessage, ControlSubscription } from '../../ports/control.js';
import type { Body } from '../../protocol/body.js';
import { decode, encodeError } from '../../protocol/codec.js';
import { KvferryError } from '../../protocol/errors.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import { shortened } from '../../protocol/shown-text.js';
import { operationOf } from '../../protocol/subjects.js';
import type { AgentEnv } from '../env/agent-env.js';
import { type About, aboutMessage } from '../observing/journal.js';
import { refusalLevel } from '../observing/log-level.js';

/** A caller may name any operation. */
const OPERATION_LENGTH_MAX = 64;

/** The messages of each operation. */
export type Schemas = Record<string, { request: z.ZodType; reply: z.ZodType }>;

/** Each handler returns the body of its reply. */
export type Handlers<S extends Schemas> = {
  readonly [Operation in keyof S]: (
    request: z.infer<S[Operation]['request']>,
  ) => Body<z.infer<S[Operation]['reply']>> | Promise<Body<z.infer<S[Operation]['reply']>>>;
};

/** Operations that only read, and the sign of life of a session. They are not entered in the journal. */
const readOnly: ReadonlySet<string> = new Set([
  ...['ping', 'discover', 'describe', 'status', 'inspect', 'journal', 'explain', 'sources', 'renew'],
]);

/** Serves every operation below `subject` (which ends in `*`). An operation without a handler is refused. */
export function serve<S extends Schemas>(
  env: AgentEnv,
  subject: string,
  schemas: S,
  handlers: Partial<Handlers<S>>,
): ControlSubscription {
  return env.control.subscribe(subject, (message) => {
    const operation = shortened(operationOf(message.subject), OPERATION_LENGTH_MAX);
    const notes = { operation, startedMs: env.clock.now(), about: {} as About };
    void answer(env, message, notes, () => {
      const schema = Object.hasOwn(schemas, operation) ? schemas[operation] : undefined;
      if (schema === undefined) {
        throw new KvferryError('unknown_operation', `there is no operation ${operation}`, { field: 'subject' });
      }
      const request = decode(schema.request, message.body);
      notes.about = aboutMessage(request as object);
      env.tracer?.received(operation, notes.about, message.headers);
      const handler = handlers[operation];
      if (handler === undefined) {
        const { agent, role } = env.options;
        const message = `agent ${agent} has role ${role} and does not serve ${operation}`;
        throw new KvferryError('role_mismatch', message, { field: 'subject' });
      }
      return handler(request as never);
    });
  });
}

/** What the journal keeps of a message. */
interface Notes {
  readonly operation: string;
  readonly startedMs: number;
  about: About;
}

async function answer(
  env: AgentEnv,
  message: ControlMessage,
  notes: Notes,
  handle: () => object | Promise<object>,
): Promise<void> {
  try {
    const result = handle();
    const body = result instanceof Promise ? await result : result;
    message.respond(JSON.stringify({ v: PROTOCOL_VERSION, ok: true, ...body }));
    remember(env, notes, undefined);
  } catch (error) {
    const { code } = refuse(env, message, notes, error);
    remember(env, notes, code);
  }
}

function remember({ journal, clock }: AgentEnv, { operation, startedMs, about }: Notes, code: string | undefined) {
  if (!readOnly.has(operation)) journal.message('in', operation, about, clock.now() - startedMs, code);
}

/** Counts and logs a refusal, and replies with it. */
function refuse(env: AgentEnv, message: ControlMessage, { operation, startedMs }: Notes, error: unknown): KvferryError {
  const known = error instanceof KvferryError;
  const refused = known ? error : new KvferryError('internal', `${operation} failed`, { cause: error });
  env.counters.add('messages_refused');
  env.counters.add(`errors_${refused.code}`);
  const details = { operation, code: refused.code, field: refused.field, reason: refused.message };
  if (known) env.refusals.log(startedMs, refusalLevel(refused.code), details, 'message refused');
  else env.refusals.log(startedMs, 'error', { ...details, err: error }, 'message failed');
  try {
    message.respond(encodeError(refused));
  } catch (sendError) {
    env.logger.warn({ operation, err: sendError }, 'refusal not sent');
  }
  return refused;
}
