/**
 * Headers of a message: what goes with it beside its body, by lower-case name. They say which trace a message belongs to
 * (docs/tracing.md). Nothing that an agent does depends on them.
 */
export type MessageHeaders = Readonly<Record<string, string>>;

/** What NATS writes around the headers, and around each of them. */
const FRAME_BYTES = 'NATS/1.0\r\n\r\n'.length;
const LINE_BYTES = ': \r\n'.length;

const NAME = /^[!-9;-~]+$/;
const LINE_END = /[\r\n]/;

/**
 * Those headers that can go with a message, in lower case; undefined when there are none. A name or value that NATS cannot
 * carry is left out; of a message that has no room for its headers (`roomBytes`), all are.
 */
export function sendableHeaders(headers: MessageHeaders | undefined, roomBytes: number): MessageHeaders | undefined {
  if (headers === undefined) return undefined;
  const sendable = Object.entries(headers).filter(([name, value]) => NAME.test(name) && !LINE_END.test(value));
  const lowered = Object.fromEntries(sendable.map(([name, value]) => [name.toLowerCase(), value]));
  return sendable.length === 0 || headerBytes(lowered) > roomBytes ? undefined : lowered;
}

/** What the headers add to the size of a message. */
export function headerBytes(headers: MessageHeaders | undefined): number {
  if (headers === undefined) return 0;
  const lines = Object.entries(headers).map(
    ([name, value]) => Buffer.byteLength(name) + Buffer.byteLength(value) + LINE_BYTES,
  );
  return lines.reduce((sum, bytes) => sum + bytes, FRAME_BYTES);
}
