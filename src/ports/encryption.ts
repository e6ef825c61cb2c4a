/** Which providers can keep the bytes secret on their way. */
import type { Provider } from './fabric.js';

const WAYS: Readonly<Record<Provider, 'on one host' | 'can encrypt' | 'in clear'>> = {
  'same-host': 'on one host',
  tcp: 'can encrypt',
  'libfabric-tcp': 'in clear',
  net: 'in clear',
  verbs: 'in clear',
  efa: 'in clear',
  memory: 'on one host',
};

/** Whether the provider moves bytes to other hosts and cannot encrypt them. An agent that requires encryption never uses it. */
export function isInClear(provider: Provider): boolean {
  return WAYS[provider] === 'in clear';
}

/** Why an agent that requires encryption does not use such a provider. */
export const CANNOT_ENCRYPT = 'it cannot encrypt, as --tcp-encryption required demands; use tcp';
