/** A link that loses and delays frames. */
import { existsSync } from 'node:fs';
import { hasNetem } from '../network/router.js';
import { Pair } from '../pair.js';
import type { HostsCase } from './hosts-case.js';

/** Of each direction. */
const SLOW = { delayMs: 20, loss: 0.01 };

export const loss: HostsCase = {
  name: 'a link with 20 ms of delay and 1 % of loss → right bytes',
  whySkipped: () =>
    hasNetem() || existsSync('/dev/net/tun') ? undefined : 'the kernel has no netem, and there is no /dev/net/tun',
  async run(run) {
    await using pair = await Pair.start(run, { slow: SLOW, prefill: ['--tcp-streams', '4'] });
    const moving = await Promise.all(Array.from({ length: 3 }, () => pair.put(1)));
    await Promise.all(moving.map((one) => pair.check(one)));
    await pair.settled();
  },
};
