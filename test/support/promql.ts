/** What PromQL expressions speak of. Loosely read: enough to say whether what they name is there. */
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

/** Every selector of a metric of ours. */
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

/** Labels that its results are grouped or joined by. */
function groupingsIn(expression: string): string[] {
  const lists = [...expression.matchAll(GROUPING)].map(([, labels]) => (labels as string).split(','));
  return lists.flat().flatMap((label) => label.trim() || []);
}

/**
 * What `expression` names and `samples` do not have: a metric, a series that its selector takes, or a label of `shown`
 * and of its groupings.
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

/** What a dashboard fills in is left open. */
function matches({ metric, matchers }: Selector, { name, labels }: Sample): boolean {
  if (name !== metric) return false;
  return matchers.every(({ label, operator, value }) => {
    if (value.includes('$') || TARGET_LABELS.includes(label)) return true;
    // As in Prometheus, a label that is not there is empty; here it is a mistake.
    const found = labels[label];
    if (found === undefined) return false;
    const isEqual = operator.endsWith('~') ? new RegExp(`^(?:${value})$`).test(found) : found === value;
    return operator.startsWith('!') ? !isEqual : isEqual;
  });
}
