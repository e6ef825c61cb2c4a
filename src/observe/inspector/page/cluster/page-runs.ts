/** The map of an arena from the answer of `inspect`, and its counts. */

export const pageStates = ['free', 'writing', 'ready', 'retained', 'quarantined'] as const;
export type PageState = (typeof pageStates)[number];

const letters: Readonly<Record<string, PageState>> = {
  f: 'free',
  w: 'writing',
  r: 'ready',
  k: 'retained',
  q: 'quarantined',
};

/** Most pages of one map. More are not distinguishable on any screen. */
export const PAGES_SHOWN_MAX = 262_144;

/** The state of every page, by number, from runs such as `f120w3r5`. A malformed part ends the map. */
export function readPages(runs: string): PageState[] {
  const pages: PageState[] = [];
  for (const [, letter = '', length = ''] of runs.matchAll(/([a-z])(\d+)/g)) {
    const state = letters[letter];
    if (state === undefined) break;
    const room = PAGES_SHOWN_MAX - pages.length;
    for (let left = Math.min(Number(length), room); left > 0; left -= 1) pages.push(state);
  }
  return pages;
}

export function countPages(pages: readonly PageState[]): Record<PageState, number> {
  const counts: Record<PageState, number> = { free: 0, writing: 0, ready: 0, retained: 0, quarantined: 0 };
  for (const page of pages) counts[page] += 1;
  return counts;
}
