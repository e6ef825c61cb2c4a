/** Parses Prometheus's text format, and runs `promtool`, which checks it. */
import { spawnSync } from 'node:child_process';

export interface Sample {
  /** The name as written. The samples of a histogram end in `_bucket`, `_sum` and `_count`. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The reason why `promtool` cannot run on this machine, or undefined if it can. */
export const promtoolMissing =
  spawnSync('promtool', ['--version']).error === undefined ? undefined : 'promtool is not installed';

export function parseSamples(text: string): Sample[] {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => {
    const [, name, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined) throw new Error(`not a sample: ${line}`);
    const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, of]) => [label, of]);
    return { name, labels: Object.fromEntries(pairs), value: Number(value) };
  });
}

/** Values of one metric by its labels, in the form `label=value …`, without the labels `agent` and `role`. */
export function valuesOf(samples: readonly Sample[], name: string): Record<string, number> {
  const shown = ({ labels }: Sample) =>
    Object.entries(labels)
      .filter(([label]) => label !== 'agent' && label !== 'role')
      .map(([label, value]) => `${label}=${value}`)
      .join(' ');
  return Object.fromEntries(samples.filter((sample) => sample.name === name).map((each) => [shown(each), each.value]));
}

/** The output and the exit status of `promtool`. */
export function promtool(args: readonly string[], input = ''): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
}
