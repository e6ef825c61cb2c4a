/** Converts between JSON text and checked messages. A message that does not fit its schema is a `KvferryError`. */
import { z } from 'zod';
import { defined } from './defined.js';
import { type ErrorCode, type ErrorDetails, KvferryError } from './errors.js';
import type { Failure } from './fields.js';
import { refuseManyParts } from './json-size.js';
import { MESSAGE_BYTES_MAX, PROTOCOL_VERSION } from './limits.js';
import type { ErrorReply } from './operations.js';
import { errorReply } from './operations.js';
import { shortened } from './shown-text.js';
import type { End } from './subjects.js';

/**
 * Longest texts in an error reply, in characters. The name of an unknown field, for example, comes from the message. It
 * must not make the reply larger than a NATS message, because then the caller would get no answer.
 */
const FIELD_LENGTH_MAX = 200;
const REASON_LENGTH_MAX = 500;

/** Parses and checks a message. Throws `malformed_json`, `message_too_large`, `unsupported_version`, `invalid_field`. */
export function decode<S extends z.ZodType>(schema: S, body: string): z.infer<S> {
  const value = parseJson(body);
  const version = (value as { v?: unknown } | null)?.v;
  if (typeof version === 'number' && version !== PROTOCOL_VERSION) {
    throw new KvferryError(
      'unsupported_version',
      `protocol version ${version} is not supported: this program speaks version ${PROTOCOL_VERSION}`,
      { field: 'v' },
    );
  }
  return check(schema, value);
}

/** Parses a reply and returns its checked body. Throws a `ReplyError` if the other side answered with an error. */
export function decodeReply<S extends z.ZodType>(schema: S, body: string): z.infer<S> {
  const value = parseJson(body);
  if ((value as { ok?: unknown } | null)?.ok === false) throw new ReplyError(check(errorReply, value));
  return check(schema, value);
}

/** An error reply of the other side. `end` is the recorded end if the code is `request_ended`. */
export class ReplyError extends KvferryError {
  readonly end: End | undefined;

  constructor(reply: ErrorReply) {
    const { code, message, field, end, epoch, order, receiver, session } = reply.error;
    super(code, message, defined({ field, details: defined({ epoch, order, receiver, session }) }));
    this.end = end;
  }
}

export function encodeError(error: KvferryError): string {
  const end = error instanceof ReplyError || error instanceof RequestEndedError ? error.end : undefined;
  const reply: ErrorReply = {
    v: PROTOCOL_VERSION,
    ok: false,
    error: defined({ ...toFailure(error), end, ...error.details }),
  };
  return JSON.stringify(reply);
}

/** The error for a message about a request that has ended. It carries the recorded end. `reason`: a failure, or a text for people. */
export class RequestEndedError extends KvferryError {
  readonly end: End;

  constructor(request: string, end: End, reason?: Failure | string, details?: ErrorDetails) {
    const text = typeof reason === 'object' ? `${reason.code}: ${reason.message}` : reason;
    const why = text === undefined ? '' : ` (${text})`;
    super('request_ended', `request ${request} has ended: ${end}${why}`, { field: 'request', details });
    this.end = end;
  }
}

/** The error for a message about a request that the agent does not know, or has forgotten. */
export function unknownRequest(request: string, epoch?: string): KvferryError {
  const name = epoch === undefined ? request : `${request} of epoch ${epoch}`;
  return new KvferryError('unknown_request', `request ${name} is not known here`, { field: 'request' });
}

export function toFailure(error: unknown): Failure {
  const code: ErrorCode = error instanceof KvferryError ? error.code : 'internal';
  const field = error instanceof KvferryError ? error.field : undefined;
  const message = shortened(error instanceof KvferryError ? error.message : String(error), REASON_LENGTH_MAX);
  return defined({ code, message, field });
}

export function fromFailure(failure: Failure): KvferryError {
  return new KvferryError(failure.code, failure.message, defined({ field: failure.field }));
}

function parseJson(body: string): unknown {
  const bytes = Buffer.byteLength(body);
  if (bytes > MESSAGE_BYTES_MAX) {
    throw new KvferryError('message_too_large', `the message has ${bytes} bytes; the limit is ${MESSAGE_BYTES_MAX}`);
  }
  refuseManyParts(body);
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new KvferryError('malformed_json', 'the message is not JSON', { cause });
  }
}

function check<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
  const issue = firstIssue(schema, value);
  if (!('fault' in issue)) return issue.data;
  const { fault } = issue;
  const path = fault.code === 'unrecognized_keys' ? [...fault.path, fault.keys[0]] : fault.path;
  const field = path.reduce<string>(
    (text, part) =>
      typeof part === 'number' ? `${text}[${part}]` : text === '' ? String(part) : `${text}.${String(part)}`,
    '',
  );
  const name = field === '' ? 'message' : shortened(field, FIELD_LENGTH_MAX);
  throw new KvferryError('invalid_field', shortened(`${name}: ${fault.message}`, REASON_LENGTH_MAX), { field: name });
}

/** The data, or what is wrong first. As `safeParse`, which would describe every fault of a list of thousands. */
function firstIssue<S extends z.ZodType>(
  schema: S,
  value: unknown,
): { readonly data: z.infer<S> } | { readonly fault: z.core.$ZodIssue } {
  const context = { async: false, abortEarly: true } as const;
  let result: z.core.ParsePayload;
  try {
    result = schema._zod.run({ value, issues: [] }, context) as z.core.ParsePayload;
  } catch (cause) {
    // Zod compares what it takes for a length, and an object can be without a value to compare.
    if (!(cause instanceof TypeError)) throw cause;
    throw new KvferryError('invalid_field', 'message: a field has a value of a wrong type', {
      field: 'message',
      cause,
    });
  }
  const [issue] = result.issues;
  if (issue === undefined) return { data: result.value as z.infer<S> };
  return { fault: z.core.util.finalizeIssue(issue, context, z.core.config()) };
}
