/** What a probe says about a pair of agents. */
import { counted, roundBytes, roundGbps, roundMs } from '../../../figures/units.js';
import { type Finding, Findings } from '../finding.js';
import type { ExpectedRate } from './expected-rate.js';
import type { ProbeResult } from './probe-pair.js';

const found = new Findings('throughput', 'probe');
/** Less than this part of what is expected is slow. */
const SLOW_BELOW = 0.5;
/** Fewer bytes take about as long as the messages around them. */
const JUDGED_BYTES_MIN = 16 * 1024 ** 2;

/** A round takes an eighth of the free pages. */
const MORE_PAGES = 'a round takes an eighth of the free pages: try again when fewer are in use, or raise --arena-pages';

export function judgeProbe(pair: string, result: ProbeResult, expected: ExpectedRate | undefined): Finding {
  if (result.kind === 'elsewhere') {
    return found.note(`${pair}: the sender is on another host`, 'run kvferry doctor --probe there');
  }
  const { gbps, laterPagesGbps, bytes, onePageMs, provider, detail, differing } = result;
  if (differing !== undefined && differing > 0) {
    return found.problem(
      `${pair}: ${differing} pages arrived with WRONG BYTES over ${provider} (${detail})`,
      'stop using this pair; keep the logs of both agents, and report it',
    );
  }
  const intact = differing === undefined ? '' : ', every byte as sent';
  const text =
    `${pair}: ${roundGbps(gbps)} over ${provider} (${detail})${intact}; ` +
    `${roundBytes(bytes)} a round, one page alone takes ${roundMs(onePageMs)}`;
  if (expected === undefined) return found.ok(`${text}; what to expect of this way is not known`);
  const compared = `${text}; expected about ${roundGbps(expected.gbps)} (${expected.what})`;
  if (bytes < JUDGED_BYTES_MIN)
    return found.note(`${compared}. Rounds of less than ${roundBytes(JUDGED_BYTES_MIN)} are not judged`, MORE_PAGES);
  if (laterPagesGbps >= expected.gbps * SLOW_BELOW) return found.ok(compared);
  return found.warning(`${compared}: SLOW`, remedyOf(provider));
}

function remedyOf(provider: string): string {
  if (provider === 'same-host') {
    return 'is the host busy, or are agent and engine on different memory nodes (numactl --hardware)? Give them processors of one';
  }
  if (provider === 'verbs')
    return 'measure the link without kvferry (ib_write_bw); look at its errors (rdma statistic)';
  return 'measure the link without kvferry (iperf3); look at MTU, TCP buffers and free processors on both hosts';
}

export function failedProbe(pair: string, reason: string): Finding {
  return found.problem(`${pair}: the probe failed: ${reason}`, 'the logs of both agents say more');
}

export function tooFewPages(pair: string): Finding {
  return found.note(`${pair}: not probed, fewer than 8 pages are free`, MORE_PAGES);
}

export function pairsLeft(left: number): Finding {
  return found.note(
    `${counted(left, 'more pair')} ${left === 1 ? 'was' : 'were'} not probed`,
    '--from or --to NAME probes every pair of that agent',
  );
}

/** A pair that the caller named and that does not run is a problem. */
export function noPairToProbe(from: string | undefined, to: string | undefined): Finding {
  if (from === undefined && to === undefined) return found.note('no pair of running agents to probe');
  const pair = `${from ?? 'any prefill agent'} → ${to ?? 'any decode agent'}`;
  return found.problem(`no running pair ${pair}`, 'name a running prefill and decode agent; kvferry status lists them');
}
