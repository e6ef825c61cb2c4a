/** Answers messages: checks them, runs a handler, replies with its result or with a typed error. */
import type { z } from 'zod';
import type { ControlMessage, ControlSubscription } from '../../ports/control.js';
import type { Body } from '../../protocol/body.js';
import { decode, encodeError } from '../../protocol/codec.js';
import { KvferryError } from '../../protocol/errors.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import { operationOf } from '../../protocol/subjects.js';
import type { AgentEnv } from '../env/agent-env.js';
import { type About, aboutMessage } from '../observing/journal.js';

/** The body of a reply, without what every reply has. */
export type Handlers<Schemas extends Record<string, { request: z.ZodType; reply: z.ZodType }>> = {
  readonly [Operation in keyof Schemas]: (
    request: z.infer<Schemas[Operation]['request']>,
  ) => Body<z.infer<Schemas[Operation]['reply']>> | Promise<Body<z.infer<Schemas[Operation]['reply']>>>;
};

/** Looking at an agent is nothing that happens to it. */
const unremarkable: ReadonlySet<string> = new Set(['discover', 'describe', 'status', 'inspect', 'journal', 'explain']);

/** Serves every operation below `subject` (which ends in `*`). */
export function serve<Schemas extends Record<string, { request: z.ZodType; reply: z.ZodType }>>(
  env: AgentEnv,
  subject: string,
  schemas: Schemas,
  handlers: Partial<Handlers<Schemas>>,
): ControlSubscription {
  return env.control.subscribe(subject, (message) => {
    const operation = operationOf(message.subject);
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
        throw new KvferryError('role_mismatch', `agent ${agent} is ${role}: no ${operation}`, { field: 'subject' });
      }
      return handler(request as never);
    });
  });
}

/** What is to be remembered of a message. */
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
    const { code } = respondError(env, message, notes.operation, error);
    remember(env, notes, code);
  }
}

function remember({ journal, clock }: AgentEnv, { operation, startedMs, about }: Notes, code: string | undefined) {
  if (!unremarkable.has(operation)) journal.message('in', operation, about, clock.now() - startedMs, code);
}

/** Says what went wrong, counts and logs it. */
function respondError(env: AgentEnv, message: ControlMessage, operation: string, error: unknown): KvferryError {
  const known = error instanceof KvferryError;
  const refused = known ? error : new KvferryError('internal', `${operation} failed`, { cause: error });
  env.counters.add('messages_refused');
  env.counters.add(`errors_${refused.code}`);
  const details = { operation, code: refused.code, field: refused.field, reason: refused.message };
  if (known) env.logger.warn(details, 'message refused');
  else env.logger.error({ ...details, err: error }, 'message failed');
  try {
    message.respond(encodeError(refused));
  } catch (cause) {
    env.logger.warn({ operation, err: cause }, 'refusal could not be sent');
  }
  return refused;
}
