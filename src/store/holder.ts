/** Who holds leases. */

/** A request, or a reader of its own. `epoch` is the sender's (or the reader's). */
export interface HolderId {
  readonly request: string;
  readonly epoch: string;
}

/** One string for one holder, to index by. */
export function nameOf({ request, epoch }: HolderId): string {
  return `${epoch}/${request}`;
}
