import { ipv6, severalAddresses, unreachable, wildcard } from './addresses.js';
import { attack } from './attack.js';
import { cuts } from './cut.js';
import { encryption } from './encryption.js';
import type { HostsCase } from './hosts-case.js';
import { loss } from './loss.js';
import { blackHole, narrowEnd, narrowPath } from './mtu.js';
import { nextProvider, plain } from './plain.js';

export const allCases: readonly HostsCase[] = [
  plain,
  nextProvider,
  wildcard,
  severalAddresses,
  ipv6,
  unreachable,
  ...cuts,
  loss,
  narrowEnd,
  narrowPath,
  blackHole,
  encryption,
  attack,
];
