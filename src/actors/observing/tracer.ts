/**
 * Follows requests through this agent. `src/observe/tracing` makes OpenTelemetry traces of them. No decision of an agent
 * depends on its tracer.
 */
import type { Provider } from '../../ports/fabric.js';
import type { MessageHeaders } from '../../protocol/headers.js';
import type { About, JournalEvent } from './journal.js';

export interface Tracer {
  /** Called with every entry of the journal. */
  happened(event: JournalEvent): void;
  /** Called when a message has come, before the agent handles it. The journal records that it was handled. */
  received(operation: string, about: About, headers: MessageHeaders | undefined): void;
  /** The headers with which the addressee of a message can continue the trace, if there are any. */
  headersFor(about: About): MessageHeaders | undefined;
  /** Called when the fabric has ended a write of a transfer. */
  wrote(about: About, write: { readonly provider: Provider; readonly chunks: number; readonly bytes: number }): void;
}
