/** How a write can fail, and what that means for its transfer and its connection. */
import type { WriteOutcome } from '../../ports/fabric.js';
import { KvferryError } from '../../protocol/errors.js';
import type { Failure } from '../../protocol/fields.js';
import type { Connection } from '../peers/receiver-peer.js';

/** The remote key is not that of the present connection. */
export function staleGrant(grant: string, connection: Connection): KvferryError {
  const message = `grant ${grant} differs from that of the connection (${connection.grant})`;
  return new KvferryError('stale_grant', message, { field: 'grant' });
}

/** Whether the connection of the write cannot be used any more. A stopped write that has drained leaves it as it is. */
export function breaksConnection(outcome: WriteOutcome): boolean {
  if (outcome.status === 'delivered') return false;
  return !outcome.drained || (outcome.status === 'failed' && outcome.code !== 'segment_invalid');
}

/**
 * Why the provider of the connection cannot write. Undefined when the write did not end because of it. A connection that breaks
 * before it has delivered a byte leads nowhere: on some networks small messages get through, and large ones do not.
 */
export function faultOfProvider(outcome: WriteOutcome, hasDelivered: boolean): string | undefined {
  if (outcome.status !== 'failed' || outcome.bytes > 0) return undefined;
  const leadsNowhere = outcome.code === 'connection_lost' && !hasDelivered;
  const refusesToWrite = outcome.code === 'fabric_error' && outcome.drained;
  return leadsNowhere || refusesToWrite ? outcome.message : undefined;
}

/** A connection that breaks again and again before it carries a byte ends the request. */
const STALE_WRITES_MAX = 2;

/** Which writes of one transfer are repeated under the next remote key. */
export class WriteRepeats {
  #staleWrites = 0;

  /**
   * `isPassedOver`: the provider of the write's connection is passed over. A connection may also have broken before it carried
   * a byte of the write, as after a long pause. Then nothing of the write can land.
   */
  allow(outcome: WriteOutcome, isPassedOver: boolean): boolean {
    if (outcome.status !== 'failed') return false;
    if (isPassedOver) return outcome.code === 'connection_lost' || outcome.code === 'fabric_error';
    const isStale = outcome.code === 'connection_lost' && outcome.bytes === 0 && outcome.drained;
    if (!isStale || this.#staleWrites === STALE_WRITES_MAX) return false;
    this.#staleWrites += 1;
    return true;
  }
}

/** Why a transfer fails whose write has ended like this. */
export function failureOfWrite(outcome: Exclude<WriteOutcome, { status: 'delivered' }>): Failure {
  if (outcome.status === 'failed') return { code: outcome.code, message: outcome.message };
  return { code: 'cancelled_by_caller', message: 'the write was stopped' };
}
