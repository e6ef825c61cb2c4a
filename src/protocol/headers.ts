/**
 * NATS headers of a message, by lower-case name. They name the trace that the message belongs to (docs/tracing.md).
 * No decision of an agent depends on them.
 */
export type MessageHeaders = Readonly<Record<string, string>>;

/** Bytes that NATS adds to the headers as a whole, and to each of them. */
const FRAME_BYTES = 'NATS/1.0\r\n\r\n'.length;
const LINE_BYTES = ': \r\n'.length;

const NAME = /^[!-9;-~]+$/;
const LINE_END = /[\r\n]/;

/**
 * The headers that a message can carry, with names in lower case; undefined if there are none. Drops every header whose
 * name or value NATS cannot carry. Drops all headers if they do not fit into `roomBytes`.
 */
export function sendableHeaders(headers: MessageHeaders | undefined, roomBytes: number): MessageHeaders | undefined {
  if (headers === undefined) return undefined;
  const sendable = Object.entries(headers).filter(([name, value]) => NAME.test(name) && !LINE_END.test(value));
  const lowered = Object.fromEntries(sendable.map(([name, value]) => [name.toLowerCase(), value]));
  return sendable.length === 0 || headerBytes(lowered) > roomBytes ? undefined : lowered;
}

/** Bytes that the headers add to a message. */
export function headerBytes(headers: MessageHeaders | undefined): number {
  if (headers === undefined) return 0;
  const lines = Object.entries(headers).map(
    ([name, value]) => Buffer.byteLength(name) + Buffer.byteLength(value) + LINE_BYTES,
  );
  return lines.reduce((sum, bytes) => sum + bytes, FRAME_BYTES);
}
