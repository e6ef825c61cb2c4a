/** The result and the position of a replay, as text lines and as JSON. */
import type { Divergence } from '../../observe/replay/divergence.js';
import type { Replay } from '../../observe/replay/replay.js';
import { outputText, type StepTexts, shortened } from './step-text.js';

const MS_PER_S = 1000;
const SECONDS_DIGITS = 3;
/** Longest body that is shown for a single step. */
const BODY_LENGTH_SHOWN = 2000;

export interface ReplayReport {
  readonly agent: string;
  readonly role: string;
  readonly epoch: string;
  readonly version: string;
  readonly recordedAt: string;
  readonly steps: number;
  readonly seconds: number;
  readonly end: string;
  readonly requests: Replay['findings']['requests'];
  readonly divergences: number;
  readonly firstDivergence?: Divergence;
  readonly skippedInputs: number;
  readonly ownTimers: number;
  readonly violations: number;
  readonly broken: Replay['findings']['violations'];
}

/** The report of a finished replay. */
export function reportOf({ recording, last, findings }: Replay): ReplayReport {
  const { header, steps, end } = recording;
  const [firstDivergence] = findings.divergences;
  const { agent, role } = header.options;
  return {
    agent,
    role,
    epoch: header.epoch,
    version: header.version,
    recordedAt: header.recordedAt,
    steps: last,
    seconds: Number((((steps[last]?.atMs ?? header.atMs) - header.atMs) / MS_PER_S).toFixed(SECONDS_DIGITS)),
    end: end ?? 'cut off',
    requests: findings.requests,
    divergences: findings.divergencesTotal,
    ...(firstDivergence === undefined ? {} : { firstDivergence }),
    skippedInputs: findings.skipped,
    ownTimers: findings.ownTimers,
    violations: findings.violationsTotal,
    broken: findings.violations,
  };
}

const ends: Readonly<Record<string, string>> = {
  'cut off': 'cut off: the process was killed, or the disk was full',
  stopped: 'the agent has stopped',
  size: 'the file reached its size limit',
  backlog: 'the disk was too slow',
};

export function reportLines(report: ReplayReport): string[] {
  const { agent, role, epoch, version, recordedAt, steps, seconds, end, requests, firstDivergence } = report;
  return [
    `agent ${agent} (${role}), epoch ${epoch}, recorded ${recordedAt} by kvferry ${version}`,
    `steps: ${steps} in ${seconds} s; end: ${ends[end] ?? end}`,
    `requests sent: ${endsText(requests.sent)}; received: ${endsText(requests.received)}`,
    `divergences: ${report.divergences}`,
    ...(firstDivergence === undefined ? [] : ['the first:', ...divergenceLines(firstDivergence)]),
    `skipped inputs: ${report.skippedInputs}; timers that the recording lacks: ${report.ownTimers}`,
    `violations: ${report.violations}`,
    ...report.broken.map(({ step, rule, detail }) => `  step ${step} broke "${rule}": ${detail}`),
  ];
}

/** The current step, its outputs, and the state of every machine. */
export function situationLines(replay: Replay, texts: StepTexts, options: { readonly machines: boolean }): string[] {
  const { recorded, outputs, divergences, violations, log, machines, changes, isSkipped } = replay.situation;
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `  ${line}`)];
  return [
    `step ${recorded.step} of ${replay.last}, ${texts.timeOf(recorded)} ms after the start`,
    `  ${texts.input(recorded, BODY_LENGTH_SHOWN)}${isSkipped ? ' (skipped: the agent does not wait for it)' : ''}`,
    ...section(
      'effects',
      outputs.map((output) => shortened(outputText(output), BODY_LENGTH_SHOWN)),
    ),
    ...section('log', log),
    ...section('changed', changes),
    ...(options.machines
      ? section(
          'machines',
          [...machines].map(([name, state]) => `${name}: ${state}`),
        )
      : []),
    ...section('divergences', divergences.flatMap(divergenceLines)),
    ...section(
      'violations',
      violations.map(({ rule, detail }) => `"${rule}": ${detail}`),
    ),
  ];
}

function divergenceLines({ step, kind, recorded, replayed }: Divergence): string[] {
  return [
    `  step ${step}: ${kind}`,
    ...(recorded === undefined ? [] : [`    recorded: ${outputText(recorded)}`]),
    ...(replayed === undefined ? [] : [`    replayed: ${outputText(replayed)}`]),
  ];
}

function endsText(counts: Readonly<Record<string, number>>): string {
  const named = Object.entries(counts).map(([end, count]) => `${count} ${end}`);
  return named.length === 0 ? 'none has ended' : named.join(', ');
}
