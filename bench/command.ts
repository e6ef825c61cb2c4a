/** The command line of the benchmark. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { type PeerName, peerNames } from './peers/peer-names.js';
import { type SuiteName, suiteNames, suitesByDefault } from './suite-names.js';

export interface BenchFlags {
  readonly quick: boolean;
  readonly suites: readonly SuiteName[];
  readonly peers: readonly PeerName[];
  /** Where kvferry listens. */
  readonly bindAddress: string;
  readonly json: boolean;
  readonly output: string | undefined;
}

interface RawFlags {
  readonly quick?: true;
  readonly suite?: readonly SuiteName[];
  readonly peers?: true | readonly PeerName[];
  readonly bindAddress: string;
  readonly json?: true;
  readonly output?: string;
}

/** Peers of a bare `--peers`. The others take much longer to install. */
const PEERS_BY_DEFAULT: readonly PeerName[] = ['nixl', 'mooncake'];

/** `run` receives the flags, and the command that repeats the run. */
export function benchCommand(run: (flags: BenchFlags, command: string) => Promise<void>): Command {
  const command = new Command('bench')
    .description('Measure kvferry on this machine, in alternation with baselines and peers.')
    .option('--quick', 'fewer cases and shorter rounds: less than 3 minutes')
    .addOption(
      new Option('--suite <names>', `run only these suites, of ${suiteNames.join(',')}`).argParser(listOf(suiteNames)),
    )
    .addOption(
      new Option(
        '--peers [names]',
        `also measure these peers, of ${peerNames.join(',')}; without names: ${PEERS_BY_DEFAULT.join(',')}`,
      ).argParser(listOf(peerNames)),
    )
    .option('--bind-address <address>', 'where kvferry listens, such as the address of an RDMA device', '127.0.0.1')
    .option('--output <file>', 'write the result to this file, as JSON')
    .option('--json', 'print the result as one JSON object on the last line');
  return command.action(async ({ quick, suite, peers, bindAddress, json, output }: RawFlags) => {
    // Only the data suite has peers.
    const byDefault = peers === undefined ? suitesByDefault : (['data'] as const);
    const flags = {
      quick: quick === true,
      suites: suite ?? byDefault,
      peers: peers === true ? PEERS_BY_DEFAULT : (peers ?? []),
      bindAddress,
      json: json === true,
      output,
    };
    await run(flags, ['npm run bench --', ...process.argv.slice(2)].join(' '));
  });
}

function listOf<T extends string>(known: readonly T[]): (text: string) => T[] {
  return (text) =>
    text.split(',').map((word) => {
      const found = known.find((name) => name === word.trim());
      if (found === undefined) throw new InvalidArgumentError(`${word} is not one of ${known.join(', ')}.`);
      return found;
    });
}
