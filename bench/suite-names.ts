/** The suites that run when none is named, in this order. */
export const suitesByDefault = ['data', 'control', 'contention', 'scale', 'recovery', 'observe', 'turns'] as const;
/** vLLM is a download of 1 GB, so its suite runs when it is named. */
export const suiteNames = [...suitesByDefault, 'vllm'] as const;
export type SuiteName = (typeof suiteNames)[number];
