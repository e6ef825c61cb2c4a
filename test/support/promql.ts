/** Finds the metrics and labels in PromQL expressions. Not a full parser, but enough to check that they all exist. */
import type { Sample } from './prometheus-text.js';

interface Matcher {
  readonly label: string;
  readonly operator: string;
  readonly value: string;
}

export interface Selector {
  readonly metric: string;
  readonly matchers: readonly Matcher[];
}

/** Labels that Prometheus adds when it scrapes. */
const TARGET_LABELS = ['job', 'instance'];
const SELECTOR = /\b((?:kvferry|process|nodejs)_\w+)(?:\s*\{((?:"[^"]*"|[^"}])*)\})?/g;
const MATCHER = /(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g;
const GROUPING = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g;

/** The selectors of all kvferry, process and Node metrics in the expression. */
export function selectorsIn(expression: string): Selector[] {
  return [...expression.matchAll(SELECTOR)].map(([, metric, matchers = '']) => ({
    metric: metric as string,
    matchers: [...matchers.matchAll(MATCHER)].map(([, label, operator, value]) => ({
      label: label as string,
      operator: operator as string,
      value: value as string,
    })),
  }));
}

/** The labels by which the expression groups or joins its results. */
function groupingsIn(expression: string): string[] {
  const lists = [...expression.matchAll(GROUPING)].map(([, labels]) => (labels as string).split(','));
  return lists.flat().flatMap((label) => label.trim() || []);
}

/**
 * What the expression needs but the samples lack: selectors that match no sample, and labels from `shown` or from its
 * groupings that no sample has.
 */
export function missingFrom(samples: readonly Sample[], expression: string, shown: readonly string[] = []): string[] {
  const selectors = selectorsIn(expression);
  const unmatched = selectors.filter((selector) => !samples.some((sample) => matches(selector, sample)));
  const metrics = new Set(selectors.map(({ metric }) => metric));
  const labels = new Set(
    samples.filter(({ name }) => metrics.has(name)).flatMap((sample) => Object.keys(sample.labels)),
  );
  const named = [...groupingsIn(expression), ...shown];
  return [
    ...unmatched.map(({ metric, matchers }) => `${metric}${JSON.stringify(matchers)}`),
    ...named.filter((label) => !labels.has(label) && !TARGET_LABELS.includes(label)),
  ];
}

/** True if the selector matches the sample. A value with a dashboard variable (`$…`) matches everything. */
function matches({ metric, matchers }: Selector, { name, labels }: Sample): boolean {
  if (name !== metric) return false;
  return matchers.every(({ label, operator, value }) => {
    if (value.includes('$') || TARGET_LABELS.includes(label)) return true;
    // Prometheus treats a missing label as empty. Here it is a mistake in the expression.
    const found = labels[label];
    if (found === undefined) return false;
    const isEqual = operator.endsWith('~') ? new RegExp(`^(?:${value})$`).test(found) : found === value;
    return operator.startsWith('!') ? !isEqual : isEqual;
  });
}
