/** Every mutant, by the part of the code that it is in. */
import { controlMutants } from './list/control.js';
import { machineMutants } from './list/machines.js';
import { peerMutants } from './list/peers.js';
import { receivingMutants } from './list/receiving.js';
import { sendingMutants } from './list/sending.js';
import { storeMutants } from './list/store.js';
import type { Mutant } from './mutant.js';

export const mutants: readonly Mutant[] = [
  ...storeMutants,
  ...machineMutants,
  ...sendingMutants,
  ...receivingMutants,
  ...peerMutants,
  ...controlMutants,
];

export function mutantOf(id: string): Mutant {
  const mutant = mutants.find((one) => one.id === id);
  if (mutant === undefined) throw new Error(`there is no mutant ${id}`);
  return mutant;
}
