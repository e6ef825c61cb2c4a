/** Links whose ends, or whose neighbours, take frames of different sizes. */
import { run as runProgram } from '../network/command.js';
import { Pair } from '../pair.js';
import { expect, expectFailure, type HostsCase } from './hosts-case.js';

const NARROW = '1300';
const WIDE = '1500';

export const narrowEnd: HostsCase = {
  name: 'the decode host has an MTU of 1300, the prefill host 1500 → right bytes',
  async run(run) {
    await using pair = await Pair.start(run);
    pair.decode.host.run('ip', 'link', 'set', 'data', 'mtu', NARROW);
    runProgram('ip', 'link', 'set', run.router.end(pair.decode.host, 'data'), 'mtu', NARROW);
    await pair.move({ requests: 2, chunks: 4 });
    await pair.settled();
  },
};

/** The hosts have 1500. The link between them has 1300, and the router says so with ICMP. */
export const narrowPath: HostsCase = {
  name: 'a link on the way has an MTU of 1300 → the sender learns it by ICMP, right bytes',
  async run(run) {
    await using pair = await Pair.start(run);
    runProgram('ip', 'link', 'set', run.router.end(pair.decode.host, 'data'), 'mtu', NARROW);
    await pair.move({ requests: 2, chunks: 4 });
    await pair.settled();
    const route = pair.prefill.host.run('ip', 'route', 'get', pair.decode.host.address('data'));
    expect(route.includes(`mtu ${NARROW}`), `the sender did not learn the MTU: ${route}`);
  },
};

/** The same, and no ICMP message arrives: big frames vanish, small ones pass. */
export const blackHole: HostsCase = {
  name: 'a link on the way has an MTU of 1300 and ICMP is blocked → failed, with what to check',
  async run(run) {
    await using pair = await Pair.start(run);
    const { router } = run;
    const [end, { number }] = [router.end(pair.decode.host, 'data'), pair.prefill.host];
    // `iif lo`: packets of the router itself, which are its ICMP messages.
    const rule = ['iif', 'lo', 'to', `10.78.${number}.0/24`, 'blackhole'];
    runProgram('ip', 'link', 'set', end, 'mtu', NARROW);
    runProgram('ip', 'rule', 'add', ...rule);
    try {
      const moving = await pair.put(4);
      expectFailure(await pair.end(moving), 'connection_lost', 'the network between');
    } finally {
      runProgram('ip', 'rule', 'delete', ...rule);
    }
    await pair.settled();
    runProgram('ip', 'link', 'set', end, 'mtu', WIDE);
    await pair.move({ requests: 2, chunks: 4 });
    await pair.settled();
  },
};
