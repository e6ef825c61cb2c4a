/** Measures how fast this machine moves the same number of bytes without a transfer library. */
import { measureMemcpy, measureTcpStream } from '../../src/native/baseline.js';
import type { NotRun } from '../suite-result.js';
import type { Contender } from './contender.js';
import { measureIperf3 } from './iperf3.js';
import type { WriteCase } from './write-case.js';

export interface Baseline {
  /** Prefix of the names of its figures. */
  readonly name: string;
  readonly path: Contender['path'];
  /** GB/s (10^9 bytes). */
  measure(one: WriteCase): Promise<number>;
}

/** `programs`: baselines that are separate programs, if they are installed. */
export function findBaselines(
  directory: string,
  programs: Readonly<Record<string, string>>,
): { readonly baselines: readonly Baseline[]; readonly notRun: readonly NotRun[] } {
  const bytesOf = ({ chunkBytes, chunks }: WriteCase) => chunkBytes * chunks;
  const baselines: Baseline[] = [
    {
      name: 'memcpy',
      path: 'same-host',
      measure: (one) => measureMemcpy({ bytes: bytesOf(one), pageBytes: one.chunkBytes, directory }),
    },
    { name: 'tcpStream', path: 'tcp', measure: (one) => measureTcpStream({ bytes: bytesOf(one) }) },
  ];
  const notRun: NotRun[] = [];
  if (programs['iperf3'] === undefined) notRun.push({ what: 'iperf3', reason: 'it is not installed' });
  else baselines.push({ name: 'iperf3', path: 'tcp', measure: (one) => measureIperf3(bytesOf(one)) });
  return { baselines, notRun };
}
