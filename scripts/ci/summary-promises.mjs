// What the summary of each command must hold in CI, as a condition for each name.

const promises = {
  demo: ({ requests, ready, mismatches, leakedPages, deduplicated }) => ({
    'requests > 0': requests > 0,
    'ready == requests': ready === requests,
    'mismatches == 0': mismatches === 0,
    'leakedPages == 0': leakedPages === 0,
    'deduplicated > 0': deduplicated > 0,
  }),
  sim: ({ seeds, requests, terminal, faults, rarestPair, demands, violations }) => ({
    'seeds >= 2,000': seeds >= 2_000,
    'every request has an end': Object.values(terminal).reduce((sum, count) => sum + count, 0) === requests,
    'every kind of fault > 0': Object.keys(faults).length >= 25 && Object.values(faults).every((count) => count > 0),
    'every pair of kinds >= 100 seeds': (rarestPair?.seeds ?? 0) >= 100,
    'a third of the requests had to be ready': demands.ready * 3 >= requests,
    'violations == 0': violations === 0,
  }),
  explore: ({ states, worlds, pairs, violations, byWorld }) => ({
    'states >= 500,000': states >= 500_000,
    'worlds >= 100': worlds >= 100,
    'every pair of fault kinds > 0':
      Object.keys(pairs).length >= 36 && Object.values(pairs).every((count) => count > 0),
    'every world is complete': Object.values(byWorld).every(({ complete }) => complete),
    'violations == 0': violations === 0,
  }),
  bench: ({ suites, targets, wrongChunks }) => ({
    'suites >= 5': Object.keys(suites).length >= 5,
    'every suite has rows': Object.values(suites).every(({ rows }) => rows.length > 0),
    'wrongChunks == 0': wrongChunks === 0,
    'targets were measured': targets.length >= 10,
    'no figure beyond its limit': targets.every(({ withinLimit }) => withinLimit),
  }),
  'test:helm': (summary) => ({
    'renderings >= 3': summary.renderings >= 3,
    'resources > 0': summary.resources > 0,
    'every fault is found': summary.faults >= 19 && summary.faultsFound === summary.faults,
    'nothing is broken': summary.broken.length === 0,
  }),
  'test:hosts': (summary) => ({
    'cases, with those that the kernel cannot run, >= 16': summary.cases + summary.skipped.length >= 16,
    'failed == 0': summary.failed === 0,
    'requests >= 50': summary.requests >= 50,
    'mismatches == 0': summary.mismatches === 0,
    'secondEnds == 0': summary.secondEnds === 0,
    'attackConnections >= 2,000': summary.attackConnections >= 2_000,
    'rssGrowthMiB <= 50': summary.rssGrowthMiB <= 50,
    'nothing is broken': summary.broken.length === 0,
  }),
  'test:rdma': (summary) => ({
    'contract.passed >= 2 * 71': summary.contract.passed >= 2 * 71,
    'contract.failed == 0': summary.contract.failed === 0,
    'device.passed > 0': summary.device.passed > 0,
    'device.failed == 0': summary.device.failed === 0,
    'packetsSent > 0': summary.packetsSent > 0,
    'requests > 0': summary.requests > 0,
    'mismatches == 0': summary.mismatches === 0,
    'staleDelivered == 0': summary.staleDelivered === 0,
    'zombieWritesRejected > 0': summary.zombieWritesRejected > 0,
    'two kernels': summary.kernels.length === 2,
    'nothing is broken': summary.broken.length === 0,
  }),
  'test:vllm': (summary) => ({
    'cases >= 25': summary.cases >= 25,
    equalTokens: summary.equalTokens === true,
    'maxLogprobDiff == 0': summary.maxLogprobDiff === 0,
    negativeControlDiffers: summary.negativeControlDiffers === true,
    'loaded >= 100': summary.loaded >= 100,
    'recomputed > 0': summary.recomputed > 0,
    'deduplicated > 0': summary.deduplicated > 0,
    'leakedPages == 0': summary.leakedPages === 0,
    'nothing has failed': summary.failed.length === 0,
  }),
  'demo:vllm': (summary) => ({
    tokensEqual: summary.tokensEqual === true,
    routerTokensEqual: summary.routerTokensEqual === true,
    'routerChunks > 0': summary.routerChunks > 0,
    'chunks > 0': summary.chunks > 0,
    'deduplicated > 0': summary.deduplicated > 0,
  }),
  'test:lmcache': (summary) => ({
    equalTokens: summary.equalTokens === true,
    'every prompt was loaded': summary.cachedTokens.length > 0 && summary.cachedTokens.every((count) => count > 0),
    'an unknown prompt was not': summary.cachedTokensOfUnknownPrompt.every((count) => count === 0),
    'without an agent nothing was': summary.cachedTokensWithoutAgent.every((count) => count === 0),
    'after its restart it was': summary.cachedTokensAfterRestart.every((count) => count > 0),
  }),
  fuzz: (summary) => ({
    'messages >= 20,000': summary.messages >= 20_000,
    'a tenth of them was executed': summary.accepted * 10 >= summary.messages,
    'kindsAccepted >= 25': summary.kindsAccepted >= 25,
    'crashes == 0': summary.crashes === 0,
    'internal == 0': summary.internal === 0,
    'longestTurnMs <= 50': summary.longestTurnMs <= 50,
    'rssGrowthMiB <= 50': summary.rssGrowthMiB <= 50,
    'honestReady > 0': summary.honestReady > 0,
    'wrongBytes == 0': summary.wrongBytes === 0,
  }),
  chaos: (summary) => ({
    'kills >= 60': summary.kills >= 60,
    'requests > 0': summary.requests > 0,
    'wrongBytes == 0': summary.wrongBytes === 0,
    'lostPages == 0': summary.lostPages === 0,
    'withoutEnd == 0': summary.withoutEnd === 0,
    'twoEnds == 0': summary.twoEnds === 0,
    'natsCuts > 0': summary.natsCuts > 0,
    'natsFreezes > 0': summary.natsFreezes > 0,
    'clockSteps > 0': summary.clockSteps > 0,
    'engineDeaths > 0': summary.engineDeaths > 0,
    'zombieWritesRejected >= 5': summary.zombieWritesRejected >= 5,
    'no limit broken': summary.limitsBroken.length === 0,
  }),
};

/** The names of the promises that a summary breaks. */
export function brokenPromises(command, summary) {
  const kept = promises[command](summary);
  return Object.keys(kept).filter((name) => !kept[name]);
}
