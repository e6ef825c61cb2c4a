/** Headers of NATS messages, to and from the headers of the control port. */
import { type Msg, type MsgHdrs, headers as natsHeaders } from '@nats-io/transport-node';
import type { MessageHeaders } from '../protocol/headers.js';

/** Status of the answer of NATS to a request without a subscriber. */
const NO_RESPONDERS_STATUS = 503;

export function isNoResponders(message: Msg): boolean {
  return message.data.length === 0 && headersOf(message)?.code === NO_RESPONDERS_STATUS;
}

/** Undefined when there are no headers, or when they cannot be parsed. */
function headersOf(message: Msg): MsgHdrs | undefined {
  try {
    return message.headers;
  } catch {
    return undefined;
  }
}

export function fromNats(message: Msg): MessageHeaders | undefined {
  const headers = headersOf(message);
  if (headers === undefined) return undefined;
  // Names that differ only in case are one name. Its first value counts.
  const entries = [...headers].map(([name, [value = '']]) => [name.toLowerCase(), value] as const);
  return Object.fromEntries(entries.reverse());
}

export function toNats(headers: MessageHeaders | undefined): { headers?: MsgHdrs } {
  if (headers === undefined) return {};
  const written = natsHeaders();
  for (const [name, value] of Object.entries(headers)) written.set(name, value);
  return { headers: written };
}
