/** A host is cut off in the middle of a transfer. */
import { CHUNK_BYTES, type HostAgent } from '../host-agent.js';
import type { NetworkName } from '../network/host.js';
import { type Moving, Pair } from '../pair.js';
import { expectFailure, type HostsCase } from './hosts-case.js';

/** 32 MiB at 200 Mbit/s take more than a second. */
const CHUNKS = 32;
const MEGABITS = 200;
const CUT_AFTER_BYTES = 4 * CHUNK_BYTES;
/**
 * A decode host that was cut off does not learn that the sender has given up: it keeps the pages until the deadline of the request.
 * A path is given up after 10 s, and with it a request that has more time.
 */
const TIMEOUT_MS = { host: 6_000, path: 20_000 } as const;
const BOTH: readonly NetworkName[] = ['control', 'data'];

interface Cut {
  readonly name: string;
  readonly who: (pair: Pair) => HostAgent;
  readonly links: readonly NetworkName[];
  /** Of the failure that the router sees. */
  readonly code: string;
  /** What the other agent gives back while the link is still down. */
  readonly givenBack: (pair: Pair) => Promise<void>;
}

/** Puts a request and cuts links when its bytes are on their way. */
async function cutInMidTransfer(pair: Pair, { who, links }: Pick<Cut, 'who' | 'links'>): Promise<Moving> {
  const { router, tally } = pair.site.run;
  router.limitRate(pair.decode.host, MEGABITS);
  const moving = await pair.put(CHUNKS, links === BOTH ? TIMEOUT_MS.host : TIMEOUT_MS.path);
  tally.parted(moving.request);
  await router.carried(pair.decode.host, CUT_AFTER_BYTES);
  router.cut(who(pair).host, ...links);
  return moving;
}

function cutCase(cut: Cut): HostsCase {
  return {
    name: cut.name,
    async run(run) {
      await using pair = await Pair.start(run);
      await pair.move({ requests: 1, chunks: 2 });
      const moving = await cutInMidTransfer(pair, cut);
      expectFailure(await pair.end(moving), cut.code);
      await cut.givenBack(pair);
      run.router.restore(cut.who(pair).host, ...cut.links);
      run.router.unlimitRate(pair.decode.host);
      await Promise.all([pair.prefill.serving(run.client), pair.decode.serving(run.client)]);
      await pair.move({ requests: 2, chunks: 4 });
      await pair.settled();
    },
  };
}

/** The host of the decode agent has no power: nothing says that its connections are closed. */
const power: HostsCase = {
  name: 'the decode host loses power in mid-transfer → failed, and its successor serves',
  async run(run) {
    await using pair = await Pair.start(run);
    await pair.move({ requests: 1, chunks: 2 });
    const moving = await cutInMidTransfer(pair, { who: ({ decode }) => decode, links: BOTH });
    await pair.decode.kill();
    expectFailure(await pair.end(moving), 'receiver_lost');
    await pair.slotsFree();
    run.router.restore(pair.decode.host, ...BOTH);
    run.router.unlimitRate(pair.decode.host);
    const successor = await pair.withDecode(pair.site.agent(pair.decode.host, 'decode', [], pair.decode.name));
    await successor.move({ requests: 2, chunks: 4 });
    await successor.settled();
  },
};

export const cuts: readonly HostsCase[] = [
  cutCase({
    name: 'the prefill host is cut off in mid-transfer → failed, pages come back, and it works again',
    who: ({ prefill }) => prefill,
    links: BOTH,
    code: 'sender_lost',
    givenBack: (pair) => pair.pagesFree(),
  }),
  cutCase({
    name: 'the decode host is cut off in mid-transfer → failed, memory comes back, and it works again',
    who: ({ decode }) => decode,
    links: BOTH,
    code: 'receiver_lost',
    givenBack: (pair) => pair.slotsFree(),
  }),
  cutCase({
    name: 'only the data link is cut in mid-transfer → failed, all comes back, and it works again',
    who: ({ decode }) => decode,
    links: ['data'],
    code: 'connection_lost',
    givenBack: (pair) => pair.settled(),
  }),
  power,
];
