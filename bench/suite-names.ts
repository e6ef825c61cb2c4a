/** The suites of the benchmark, in the order in which they run. */
export const suiteNames = ['data', 'control', 'contention', 'scale', 'recovery', 'observe', 'turns'] as const;
export type SuiteName = (typeof suiteNames)[number];
