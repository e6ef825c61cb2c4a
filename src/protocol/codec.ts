/** JSON text ↔ checked messages. What does not fit becomes a `KvferryError` that names the field. */
import type { z } from 'zod';
import { type ErrorCode, KvferryError } from './errors.js';
import type { Failure } from './fields.js';
import { MESSAGE_BYTES_MAX, PROTOCOL_VERSION } from './limits.js';
import type { ErrorReply } from './operations.js';
import { errorReply } from './operations.js';
import type { End } from './subjects.js';

/**
 * Longest text about an error, in characters. What a message brings (the name of an unknown field, say) must not make the
 * answer too long to be sent: then there would be none.
 */
const FIELD_LENGTH_MAX = 200;
const REASON_LENGTH_MAX = 500;

/** Parses and checks a message. Throws `malformed_json`, `message_too_large`, `unsupported_version`, `invalid_field`. */
export function decode<S extends z.ZodType>(schema: S, body: string): z.infer<S> {
  const value = parseJson(body);
  const version = (value as { v?: unknown } | null)?.v;
  if (typeof version === 'number' && version !== PROTOCOL_VERSION) {
    throw new KvferryError('unsupported_version', `version ${version} is not ${PROTOCOL_VERSION}`, { field: 'v' });
  }
  return check(schema, value);
}

/** Parses a reply: the checked body, or throws the error the other side answered with. */
export function decodeReply<S extends z.ZodType>(schema: S, body: string): z.infer<S> {
  const value = parseJson(body);
  if ((value as { ok?: unknown } | null)?.ok === false) throw new ReplyError(check(errorReply, value));
  return check(schema, value);
}

/** An error that the other side answered with. `end` is the recorded end when the code is `request_ended`. */
export class ReplyError extends KvferryError {
  readonly end: End | undefined;

  constructor(reply: ErrorReply) {
    const { code, message, field, end } = reply.error;
    super(code, message, field === undefined ? {} : { field });
    this.end = end;
  }
}

export function encodeError(error: KvferryError): string {
  const end = error instanceof ReplyError || error instanceof RequestEndedError ? error.end : undefined;
  return JSON.stringify({
    v: PROTOCOL_VERSION,
    ok: false,
    error: { ...toFailure(error), ...(end === undefined ? {} : { end }) },
  } satisfies ErrorReply);
}

/** Refuses a message about a request that has ended, and says how it ended. */
export class RequestEndedError extends KvferryError {
  readonly end: End;

  constructor(request: string, end: End, reason?: Failure) {
    const why = reason === undefined ? '' : ` (${reason.code}: ${reason.message})`;
    super('request_ended', `request ${request} has ended: ${end}${why}`, { field: 'request' });
    this.end = end;
  }
}

/** Refuses a message about a request that is not known, or not remembered. */
export function unknownRequest(request: string): KvferryError {
  return new KvferryError('unknown_request', `request ${request} is not known here`, { field: 'request' });
}

export function toFailure(error: unknown): Failure {
  const code: ErrorCode = error instanceof KvferryError ? error.code : 'internal';
  const field = error instanceof KvferryError ? error.field : undefined;
  const message = shortened(error instanceof KvferryError ? error.message : String(error), REASON_LENGTH_MAX);
  return field === undefined ? { code, message } : { code, message, field };
}

export function fromFailure(failure: Failure): KvferryError {
  return new KvferryError(failure.code, failure.message, failure.field === undefined ? {} : { field: failure.field });
}

function parseJson(body: string): unknown {
  if (body.length > MESSAGE_BYTES_MAX) {
    throw new KvferryError('message_too_large', `${body.length} bytes are more than ${MESSAGE_BYTES_MAX}`);
  }
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new KvferryError('malformed_json', 'the message is not JSON', { cause });
  }
}

function check<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path =
    issue === undefined ? [] : issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0]] : issue.path;
  const field = path.reduce<string>(
    (text, part) =>
      typeof part === 'number' ? `${text}[${part}]` : text === '' ? String(part) : `${text}.${String(part)}`,
    '',
  );
  const name = field === '' ? 'message' : shortened(field, FIELD_LENGTH_MAX);
  throw new KvferryError('invalid_field', shortened(`${name}: ${issue?.message ?? 'not valid'}`, REASON_LENGTH_MAX), {
    field: name,
    cause: result.error,
  });
}

function shortened(text: string, lengthMax: number): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax - 1)}…`;
}
