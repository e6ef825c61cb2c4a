/** Prometheus's text format, and `promtool`, which reads it. */
import { spawnSync } from 'node:child_process';

export interface Sample {
  /** As it is written: of a histogram `…_bucket`, `…_sum`, `…_count`. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Why `promtool` cannot be asked here, or undefined when it can. */
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

/** Values of one metric by its labels, written as `label=value …`, without those that every series has. */
export function valuesOf(samples: readonly Sample[], name: string): Record<string, number> {
  const shown = ({ labels }: Sample) =>
    Object.entries(labels)
      .filter(([label]) => label !== 'agent' && label !== 'role')
      .map(([label, value]) => `${label}=${value}`)
      .join(' ');
  return Object.fromEntries(samples.filter((sample) => sample.name === name).map((each) => [shown(each), each.value]));
}

/** What `promtool` says, and its exit status. */
export function promtool(args: readonly string[], input = ''): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
}
