/** Headers of NATS messages, to and from the headers of the control port. */
import { type Msg, type MsgHdrs, headers as natsHeaders } from '@nats-io/transport-node';
import type { MessageHeaders } from '../protocol/headers.js';
import { ownCopy } from '../protocol/shown-text.js';

/** Larger headers are not read. NATS allows a megabyte of them, which takes long to parse. A trace needs a few hundred bytes. */
const HEADERS_READ_MAX = 8192;

/** Status of the answer of NATS to a request without a subscriber. */
const NO_RESPONDERS_STATUS = 503;

export function isNoResponders(message: Msg): boolean {
  return message.data.length === 0 && headersOf(message)?.code === NO_RESPONDERS_STATUS;
}

/** Undefined when there are no headers, when they are more than a message needs, or when they cannot be parsed. */
function headersOf(message: Msg): MsgHdrs | undefined {
  if (receivedBytes(message) > HEADERS_READ_MAX) return undefined;
  try {
    return message.headers;
  } catch {
    return undefined;
  }
}

/** Bytes of the headers of a message. The interface of the client does not name the size, which every message has. */
function receivedBytes(message: Msg): number {
  const { subject, reply = '', data } = message;
  const bytes = (message as unknown as { size(): number }).size();
  return bytes - Buffer.byteLength(subject) - Buffer.byteLength(reply) - data.length;
}

export function fromNats(message: Msg): MessageHeaders | undefined {
  const headers = headersOf(message);
  if (headers === undefined) return undefined;
  // Names that differ only in case are one name. Its first value counts. A part of a text keeps the whole of it in memory.
  const entries = [...headers].map(([name, [value = '']]) => [ownCopy(name.toLowerCase()), ownCopy(value)] as const);
  return Object.fromEntries(entries.reverse());
}

export function toNats(headers: MessageHeaders | undefined): { headers?: MsgHdrs } {
  if (headers === undefined) return {};
  const written = natsHeaders();
  for (const [name, value] of Object.entries(headers)) written.set(name, value);
  return { headers: written };
}
