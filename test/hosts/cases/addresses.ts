/** Hosts with several addresses, and addresses that lead nowhere. */
import { existsSync } from 'node:fs';
import { CHUNK_BYTES } from '../host-agent.js';
import { run as runProgram } from '../network/command.js';
import type { NetworkName } from '../network/host.js';
import { Pair } from '../pair.js';
import { Site } from '../site.js';
import { expect, expectFailure, type HostsCase } from './hosts-case.js';

const CHUNKS = 4;
const NOWHERE = '10.99.0.1';

export const wildcard: HostsCase = {
  name: 'a wildcard as bind address → the agent does not start, and names the setting',
  async run(run) {
    await using site = new Site(run);
    const agent = site.agent(await site.host('decode'), 'decode', ['--bind-address', '0.0.0.0']);
    const refusal = await agent.refusal();
    expect(/invalid_configuration.*bindAddress|bindAddress.*wildcard/s.test(refusal), `it ended: ${refusal}`);
  },
};

/** Bytes go to the address that the agent was given, over the link of that address. */
export const severalAddresses: HostsCase = {
  name: 'a host with two addresses → bytes take the one that the agent has',
  async run(run) {
    for (const network of ['data', 'control'] as const) {
      await using site = new Site(run);
      const host = await site.host('decode');
      const decode = site.agent(host, 'decode', ['--bind-address', host.address(network)]);
      await using pair = await Pair.of(site, site.agent(await site.host('prefill'), 'prefill'), decode);
      const before = bytesTo(pair);
      await pair.move({ requests: 1, chunks: CHUNKS });
      await pair.settled();
      const after = bytesTo(pair);
      const other = network === 'data' ? 'control' : 'data';
      const moved = { used: after[network] - before[network], other: after[other] - before[other] };
      expect(moved.used >= CHUNKS * CHUNK_BYTES && moved.other < CHUNK_BYTES, `${network}: ${JSON.stringify(moved)}`);
    }
  },
};

export const ipv6: HostsCase = {
  name: 'an IPv6 address as bind address → right bytes',
  whySkipped: () => (existsSync('/proc/net/if_inet6') ? undefined : 'the kernel has no IPv6'),
  async run(run) {
    await using site = new Site(run);
    const [sender, receiver] = [await site.host('prefill'), await site.host('decode')];
    run.router.addIpv6(sender);
    const decode = site.agent(receiver, 'decode', ['--bind-address', run.router.addIpv6(receiver)]);
    await using pair = await Pair.of(site, site.agent(sender, 'prefill'), decode);
    await pair.move({ requests: 2, chunks: CHUNKS });
    await pair.settled();
  },
};

function bytesTo({ site, decode }: Pair): Record<NetworkName, number> {
  const { router } = site.run;
  return { data: router.bytesTo(decode.host, 'data'), control: router.bytesTo(decode.host, 'control') };
}

/** The address exists on the decode host, and no other host has a route to it, or packets to it vanish. */
export const unreachable: HostsCase = {
  name: 'the announced address leads nowhere → failed, the reason names it',
  async run(run) {
    await using site = new Site(run);
    const host = await site.host('decode');
    host.run('ip', 'address', 'add', `${NOWHERE}/32`, 'dev', 'lo');
    const decode = site.agent(host, 'decode', ['--bind-address', NOWHERE]);
    const sender = await site.host('prefill');
    await using pair = await Pair.of(site, site.agent(sender, 'prefill'), decode);
    expectFailure(await pair.end(await pair.put(1)), 'connection_failed', NOWHERE);
    sender.run('ip', 'route', 'add', `${NOWHERE}/32`, 'via', sender.gateway('data'));
    runProgram('ip', 'route', 'add', 'blackhole', `${NOWHERE}/32`);
    expectFailure(await pair.end(await pair.put(1)), 'connection_failed', NOWHERE);
    await pair.settled();
    runProgram('ip', 'route', 'replace', `${NOWHERE}/32`, 'via', host.address('data'));
    await pair.move({ requests: 1, chunks: 2 });
    await pair.settled();
    runProgram('ip', 'route', 'delete', `${NOWHERE}/32`);
  },
};
