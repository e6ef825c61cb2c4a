/** The identity of a holder of leases. */

/** A request, or a reader without a request. `epoch`: that of the sender, or of the reader. */
export interface HolderId {
  readonly request: string;
  readonly epoch: string;
}

/** The holder as one string, for maps and messages. */
export function nameOf({ request, epoch }: HolderId): string {
  return `${epoch}/${request}`;
}
