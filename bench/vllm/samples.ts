/** Rows of the vllm suite, from what `bench/vllm/measure` prints. */
import { median, spreadOf } from '../../src/figures/statistics.js';
import type { Figures, NotRun, Row } from '../suite-result.js';

/** A round of a cell on one system. Lists are in the order of the prompts. */
export interface Sample {
  readonly system: System;
  /** `any`: the system is the same beside all paths. */
  readonly path: Path | 'any';
  readonly share_percent: number;
  readonly at_once: number;
  readonly ttft_ms: readonly number[];
  readonly added_ms: readonly number[];
  readonly load_ms: readonly number[];
  readonly tokens_per_s: number;
  readonly wrong: number;
}

export interface Measured {
  readonly versions: Readonly<Record<string, string>>;
  readonly notRun: readonly NotRun[];
  readonly samples: readonly Sample[];
}

type System = 'alone' | (typeof systems)[number];
type Path = (typeof paths)[number];

const systems = ['kvferry', 'kvferryEarly', 'nixl', 'sharedStorage'] as const;
const paths = ['same-host', 'tcp'] as const;

/** The three tables. Each has a row for each path and cell, and each figure is the spread of its rounds. */
export function rowsOf(samples: readonly Sample[]): Row[] {
  const cells = new Map(samples.map((sample) => [`${sample.share_percent} ${sample.at_once}`, sample]));
  const places = paths.flatMap((path) => [...cells.values()].map((cell) => ({ path, cell })));
  const tableOf = (table: string, figures: (of: SamplesOf) => Figures): Row[] =>
    places.map(({ path, cell }) => ({
      table,
      parameters: { path, sharePercent: cell.share_percent, atOnce: cell.at_once },
      figures: figures((system) =>
        samples.filter(
          (one) =>
            one.system === system &&
            (one.path === path || one.path === 'any') &&
            one.share_percent === cell.share_percent &&
            one.at_once === cell.at_once,
        ),
      ),
    }));
  return [
    ...tableOf('added time to first token', addedFigures),
    ...tableOf('from the question to decode to its first token', (of) => ({
      ...figuresOf(
        of,
        ['alone'],
        () => 'recomputedMs',
        ({ load_ms: each }) => median(each),
      ),
      ...figuresOf(
        of,
        systems,
        (system) => `${system}Ms`,
        ({ load_ms: each }) => median(each),
      ),
    })),
    ...tableOf('tokens a second', (of) => ({
      ...figuresOf(
        of,
        ['alone', ...systems],
        (system) => `${system}PerS`,
        ({ tokens_per_s: rate }) => rate,
      ),
      ...wrongAnswers(of),
    })),
  ];
}

/** Prompts with another answer than that of one vLLM, or with none. */
function wrongAnswers(of: SamplesOf): Figures {
  const measured = systems.filter((system) => of(system).length > 0);
  return Object.fromEntries(
    measured.map((system) => [`${system}Wrong`, of(system).reduce((sum, { wrong }) => sum + wrong, 0)]),
  );
}

/** The rounds of a system in a cell. */
type SamplesOf = (system: System) => readonly Sample[];

function addedFigures(of: SamplesOf): Figures {
  const added = ({ added_ms: each }: Sample) => median(each);
  const figures: Figures = {
    ...figuresOf(
      of,
      ['alone'],
      () => 'aloneTtftMs',
      ({ ttft_ms: each }) => median(each),
    ),
    ...figuresOf(of, systems, (system) => `${system}AddedMs`, added),
  };
  const [own, nixl] = [of('kvferry').map(added), of('nixl').map(added)];
  if (own.length === 0 || own.length !== nixl.length) return figures;
  return { ...figures, moreThanNixlMs: spreadOf(own.map((value, round) => value - (nixl[round] as number))) };
}

function figuresOf(
  of: SamplesOf,
  wanted: readonly System[],
  nameOf: (system: System) => string,
  value: (sample: Sample) => number,
): Figures {
  return Object.fromEntries(
    wanted.flatMap((system) => {
      const values = of(system).map(value);
      return values.length === 0 ? [] : [[nameOf(system), spreadOf(values)]];
    }),
  );
}
