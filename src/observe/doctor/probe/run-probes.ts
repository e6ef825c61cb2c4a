/** Probes pair after pair: two at once would measure each other. */
import type { KvferryClient } from '../../../client/kvferry-client.js';
import { toFailure } from '../../../protocol/codec.js';
import { isKvferryError } from '../../../protocol/errors.js';
import type { Examination } from '../examination.js';
import type { Finding } from '../finding.js';
import { type Baselines, type ExpectedRate, expectedRate } from './expected-rate.js';
import { failedProbe, judgeProbe, noPairToProbe, pairsLeft, tooFewPages } from './judge.js';
import { type ProbePair, planProbes } from './plan.js';
import { probePair } from './probe-pair.js';

export interface ProbeRun {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly baselines: Baselines;
  /** Rejects `cancelled_by_caller` when it is given. */
  readonly signal: AbortSignal;
  readonly onStart: (pair: string) => void;
}

export async function runProbes(
  examination: Examination,
  client: KvferryClient,
  { from, to, baselines, signal, onStart }: ProbeRun,
): Promise<Finding[]> {
  const { pairs, left } = planProbes(examination.cluster?.agents ?? [], { from, to });
  const findings: Finding[] = [];
  for (const pair of pairs) {
    const name = `${pair.sender.agent} → ${pair.receiver.agent}`;
    if (pair.pages === 0) {
      findings.push(tooFewPages(name));
      continue;
    }
    signal.throwIfAborted();
    onStart(name);
    const { system, settings } = examination;
    const { path } = pair.receiver.arena;
    const isReceiverHere = path !== undefined && system.exists(path);
    try {
      const result = await probePair(client, pair, { directory: settings.arenaDirectory, isReceiverHere, signal });
      const expected = result.kind === 'moved' ? await rateFor(pair, result, isReceiverHere) : undefined;
      findings.push(judgeProbe(name, result, expected));
    } catch (error) {
      signal.throwIfAborted();
      if (isKvferryError(error, 'disconnected', 'closed')) throw error;
      findings.push(failedProbe(name, toFailure(error).message));
    }
  }
  if (pairs.length === 0) findings.push(noPairToProbe(from, to));
  if (left > 0) findings.push(pairsLeft(left));
  return findings;

  function rateFor(
    { receiver }: ProbePair,
    { provider, bytes }: { readonly provider: string; readonly bytes: number },
    isReceiverHere: boolean,
  ): Promise<ExpectedRate | undefined> {
    const { system, settings } = examination;
    const { pageBytes } = receiver.arena;
    const way = { provider, bytes, pageBytes, isReceiverHere, bindAddress: settings.bindAddress };
    return expectedRate(way, system, baselines);
  }
}
