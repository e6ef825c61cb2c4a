/** What every agent of the cluster may ask of a decode agent in its own name: a remote key. */
import { generateKeyPairSync } from 'node:crypto';
import { type PeerOperation, subjects } from '../../../src/protocol/subjects.js';
import type { Stage } from '../attack.js';
import type { Answer } from '../attacker.js';
import { ROGUE } from '../users.js';

/** Of no process. */
export const FOREIGN_EPOCH = '00112233445566aa';

/** For which remote keys are sealed. */
const PUBLIC_KEY = generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' }).x;

/** The body of `connect`. */
export function connectBody(epoch: string): Readonly<Record<string, unknown>> {
  return { epoch, heartbeatMs: 300, provider: 'tcp', connection: 1, publicKey: PUBLIC_KEY };
}

/** The subject of a message to the decode agent of the victim, in the attacker's own name. */
export function toVictim({ cluster, victim }: Stage, operation: PeerOperation): string {
  return subjects.peer(victim.decode, cluster.epochOf(victim.decode), ROGUE.prefill, operation);
}

/** Connects under an epoch of its own. */
export function connectAs(stage: Stage, epoch: string): Promise<Answer> {
  return stage.attacker.ask(toVictim(stage, 'connect'), connectBody(epoch));
}
