/** Two hosts, and nothing that fails. */
import { CHUNK_BYTES } from '../host-agent.js';
import { Pair } from '../pair.js';
import { expect, type HostsCase } from './hosts-case.js';

const REQUESTS = 8;
const CHUNKS = 4;
/** Messages over NATS take less. */
const CONTROL_BYTES_MAX = CHUNK_BYTES;

export const plain: HostsCase = {
  name: 'plain transfers between two hosts',
  async run(run) {
    await using pair = await Pair.start(run);
    const { host } = pair.decode;
    const before = { data: run.router.bytesTo(host, 'data'), control: run.router.bytesTo(host, 'control') };
    const moving = await Promise.all(Array.from({ length: REQUESTS }, () => pair.put(CHUNKS)));
    await Promise.all(moving.map((one) => pair.check(one)));
    await pair.settled();
    const data = run.router.bytesTo(host, 'data') - before.data;
    const control = run.router.bytesTo(host, 'control') - before.control;
    expect(data >= REQUESTS * CHUNKS * CHUNK_BYTES, `only ${data} bytes went over the data link`);
    expect(control < CONTROL_BYTES_MAX, `${control} bytes went over the control link`);
  },
};

/** Each agent prefers the copy on one host. It cannot see the socket of the other. */
export const nextProvider: HostsCase = {
  name: 'same-host is preferred and leads nowhere → tcp',
  async run(run) {
    const both = ['--provider', 'same-host,tcp'];
    await using pair = await Pair.start(run, { prefill: both, decode: both });
    await pair.move({ requests: 2, chunks: CHUNKS });
    await pair.settled();
    const { peers } = await run.client.status(pair.prefill.name);
    const [peer] = peers;
    expect(peer?.provider === 'tcp', `the provider is ${peer?.provider}`);
    expect(peer?.fallback[0]?.startsWith('same-host: ') === true, `the fallback is ${JSON.stringify(peer?.fallback)}`);
  },
};
