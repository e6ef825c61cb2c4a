/**
 * Who follows requests through this agent, if anybody does: `src/observe/tracing` makes OpenTelemetry traces of them. It only looks: an
 * agent does the same with and without it.
 */
import type { Provider } from '../../ports/fabric.js';
import type { MessageHeaders } from '../../protocol/headers.js';
import type { About, JournalEvent } from './journal.js';

export interface Tracer {
  /** Hears of everything that goes into the journal. */
  happened(event: JournalEvent): void;
  /** A message has come. Said before it is handled; that it was handled is in the journal. */
  received(operation: string, about: About, headers: MessageHeaders | undefined): void;
  /** What goes with a message about a request, so that whoever gets it can continue the trace. Undefined: nothing. */
  headersFor(about: About): MessageHeaders | undefined;
  /** The fabric has done with a write of a transfer. */
  wrote(about: About, write: { readonly provider: Provider; readonly chunks: number; readonly bytes: number }): void;
}
