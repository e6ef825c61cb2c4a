/** Two processes, and the connection between them for which a remote key is. */
import { PROTOCOL_VERSION } from './limits.js';

interface Process {
  readonly agent: string;
  readonly epoch: string;
}

/** What both say when a remote key is sealed and opened, so that the key of one connection is that of no other. */
export function aboutConnection(receiver: Process, sender: Process, connection: number): string {
  return JSON.stringify([
    `kvferry.v${PROTOCOL_VERSION}`,
    ...[receiver.agent, receiver.epoch],
    ...[sender.agent, sender.epoch],
    connection,
  ]);
}
