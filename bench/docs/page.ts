/** docs/benchmarks.md, from what the benchmark stored. */
import { formatBytes } from '../../src/figures/units.js';
import { formatFigure, formatParameter, tablesOf } from '../render-rows.js';
import type { BenchReport } from '../report.js';
import type { Row } from '../suite-result.js';
import type { Target } from '../targets.js';
import type { Plot } from './plots.js';

export interface StoredReport {
  /** Of its file, relative to the root. */
  readonly path: string;
  readonly report: BenchReport;
  readonly plots: readonly Plot[];
  /** Where its plots are, relative to docs/. */
  readonly plotFolder: string;
}

/** What each suite does, for somebody who reads the tables. */
const EXPLANATIONS: Readonly<Record<string, string>> = {
  data: `Chunks travel from the memory of one process into that of another, each chunk of a round once; the source is filled
anew for every round, and every byte is compared at the receiver after the clock has stopped. A *batch* is handed over
together and complete together; *in flight* are batches under way at once. Complete is what the sending side is told, for peers
as for kvferry. This is the fabric alone, as in the peers' own benchmarks: no keys, no agents. \`ofBaseline\` is kvferry's rate over
that of \`memcpy\` (same host: one thread, between two mapped files) or of one raw TCP stream, round by round.`,
  control: `Real agents and a real nats-server; chunks of one byte, so that what takes time is messages and decisions. A request is one
batch: put, announced ready, released. In turns with them, three bare NATS round trips, one after the other, to a process that does
nothing but answer, with messages as large as those of put, allocate and commit: what must be said at least. \`roundTripsToReady\` is
the median of put to ready over that of one such round trip. CPU time is that of all agents together; \`decodeBatchesPerCpuS\` is what
the decode agent would do with a processor to itself. Everything else (the load, NATS, the senders) runs on the same processors.`,
  contention: `The same trace in simulated time on the shipped store and on a model of the rules of LMCache's asynchronous
prefill/decode backend (\`bench/contention/upstream-model.ts\`): 4 senders, 16 requests at once, 32 keys each of which 24 are a shared
prefix. *Wrong* were ready and had, when they were read, other bytes than theirs; *lost* were neither ready nor ended within 5 s.
The model is kind: it loses no message, and nobody dies.`,
  scale: `What a batch of 32 keys costs when there is more of everything: the shipped store alone, and the shipped decode agent without a
network (messages are handed to it as text, and answered as text). An exponent of 0 is flat, of 1 linear.`,
  recovery: `Real agents, killed with SIGKILL while a request is under way. *Detect*: until the other side announces its failure, which it
does after nearly three silent heartbeats, or earlier. *Reclaim*: until the pages are free. *Restart*: from the start of the next process to
the first request that is ready; *reconnect* is the part after it serves.`,
  observe: `What it costs to be looked at. The same load in turns on agents that keep no journal (\`journalEntries: 0\`: *blind*), on agents
as they are (*unwatched*), and on these while somebody asks them as often as an open page of the inspector does (*watched*), on the
same processors. A batch has 32 keys of one byte. *Lost* is throughput, against that of the blind ones in the same round; CPU time is
that of all agents together, for each batch. Processes differ from each other for as long as they live, so they are started anew
several times.`,
};

/** By traces of system calls and processor profiles on two processors. */
const HOLDS = `Where an aim is missed, waking threads costs more than moving bytes or deciding:

- **put to ready.** A bare round trip wakes four threads. From put to ready there are five messages in a row (put, allocate, its answer,
  commit, the event), each woken twice, and four hand-overs between a fabric's threads and JavaScript: as much as three and a half round
  trips before anything is computed. The other half is the agents' own work: a batch of 32 keys takes about 0.45 ms of processor
  time in either under load, and twice that when requests come one by one and find cold caches. XState's part of that is a fifth, writing to
  sockets and collecting garbage a fifth more, and nothing else stands out. Fewer messages would help most: a commit that is
  implied by the fabric's own completion at the receiver.
- **One small write at a time.** On one host the receiver copies, which is what makes a fence possible, so a write is handed to three
  threads, one of them in another process, and back: 60 to 80 µs, of which the copy of 64 KiB is five. A peer that writes into the
  other's memory from the calling thread is ten times faster there and cannot be fenced. From 1 MiB on, with more than one chunk under
  way, the same path is as fast as memcpy or faster.
- **TCP.** With chunks enough under way, two thirds of the time are the kernel's own copies in and out of the socket, as for a raw
  stream; kvferry uses one stream to a peer, and NIXL goes beyond what one can do. With one write at a time it is the hand-overs again, and the acknowledgement of each delivery.
- **Through agents** is both of these: the bytes of one request wait for its control messages. More requests at once, or larger
  ones, hide it.
- **Being looked at.** What an agent remembers survives the young generation, and is copied for that: most of what remembering
  costs is garbage collection. Between runs the medians of throughput lost have been -0.1, 0.9 and 2.5 % when nobody looks, and 4.7 and
  6.6 % while somebody does, the inspector's own process on the same two cores included.`;

export function renderPage(stored: readonly StoredReport[]): string {
  return `${[
    '# Benchmarks',
    '<!-- Generated by `npm run bench:docs` from bench/results. -->',
    `How fast kvferry is, and beside each figure what it is to be compared with, measured in the same run and in turns with it. Figures are
medians, in brackets the least and the most of the rounds. A GB is 10⁹ bytes.`,
    ...stored.flatMap(renderReport),
    '## What holds the rest',
    HOLDS,
    '## Repeating it',
    `\`\`\`sh
npm run bench -- --quick            # some minutes; tables on the terminal
npm run bench -- --json             # everything, half an hour; the last line is one JSON object
npm run bench -- --peers --json     # kvferry and its peers on the same rows; some six minutes, two with --quick
npm run bench -- --suite control    # only that
\`\`\``,
    `It needs what \`npm run demo\` needs, and some GiB of /dev/shm. \`iperf3\` takes part if it is installed. Peers are Python wheels of the
versions in \`bench/peers/*-requirements.txt\`, installed into build/ when they are first asked for. Everything else that it starts or
makes is gone at the end, also after Ctrl-C. Its exit status is 1 when a byte was wrong, or a figure was beyond its *limit*: a bound
with much slack, for machines that are busy, by which CI notices that something has become much slower.`,
  ].join('\n\n')}\n`;
}

function renderReport({ path, report, plots, plotFolder }: StoredReport): string[] {
  const { machine, versions, command, seconds, targets, quick } = report;
  const memory = formatBytes(Math.round(machine.memoryBytes / 1024 ** 3) * 1024 ** 3);
  return [
    `## \`${command}\``,
    `${machine.cpu}, ${machine.processors} processors, ${memory}, ${machine.system}; ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}. ${Math.round(seconds)} s${quick ? ', the quick form' : ''}. Stored in [${path}](../${path}).`,
    ...(targets.length === 0 ? [] : ['### What it aims at', renderTargets(targets)]),
    ...plots.map(({ name, title }) => `![${title}](${plotFolder}/${name}.svg)`),
    ...Object.entries(report.suites).flatMap(([suite, { rows, notRun }]) => [
      `### ${suite}`,
      EXPLANATIONS[suite] ?? '',
      ...tablesOf(rows).flatMap(([table, of]) => [`**${table}**`, renderTable(of)]),
      ...(notRun.length === 0 ? [] : ['Not run:', notRun.map(({ what, reason }) => `- ${what}: ${reason}`).join('\n')]),
    ]),
  ];
}

/** The misses first: they are what a reader should know. */
function renderTargets(targets: readonly Target[]): string {
  const rows = targets
    .toSorted((a, b) => Number(a.met) - Number(b.met))
    .map(({ name, value, target, met }) => [met ? 'met' : '**missed**', name, `${value}`, `${target}`]);
  return markdownTable(['', 'the worst row counts', 'is', 'aim'], rows);
}

function renderTable(rows: readonly Row[]): string {
  const parameters = [...new Set(rows.flatMap((row) => Object.keys(row.parameters)))];
  const figures = [...new Set(rows.flatMap((row) => Object.keys(row.figures)))];
  return markdownTable(
    [...parameters, ...figures],
    rows.map((row) => [
      ...parameters.map((name) => formatParameter(name, row.parameters[name])),
      ...figures.map((name) => formatFigure(row.figures[name])),
    ]),
  );
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}
