/** The settings about source segments: where engines may have them, whose they may be, and how many (docs/decisions/035-attach-below-directories.md). */
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { count } from './field-kinds.js';

/** Where engines have their memory unless they choose otherwise. */
const USUAL_DIRECTORY = '/dev/shm';
const LIST_MAX = 64;
const UID_MAX = 4_294_967_294;

const directories = z
  .array(z.string().refine((path) => isAbsolute(path)))
  .min(1)
  .max(LIST_MAX);
const owners = z.array(z.string().regex(/^\d+$/).transform(Number).pipe(z.int().max(UID_MAX))).max(LIST_MAX);

export const segmentFields = {
  segmentDirectory: {
    schema: z.string().transform(split).pipe(directories),
    fallback: ({ arenaDirectory }: { readonly arenaDirectory: string }) =>
      [USUAL_DIRECTORY, arenaDirectory].filter((path) => isAbsolute(path)).join(','),
    shownFallback: `${USUAL_DIRECTORY} and the arena's directory`,
    explanation: 'Directories below which engines may have their segments (prefill, both).',
    range: 'paths, separated by commas',
    show: (paths: readonly string[]) => paths.join(','),
  },
  segmentOwner: {
    schema: z
      .union([z.number().transform(String), z.string()])
      .transform(split)
      .pipe(owners),
    fallback: '',
    explanation: 'Users whose files may be segments (prefill, both).',
    range: 'user ids, separated by commas; empty: the user of the agent',
    show: (uids: readonly number[]) => uids.join(','),
  },
  segmentsMax: count(1, 4096, 1024, 'Most source segments that engines may have attached at once (prefill, both).'),
};

/** Each once. */
function split(list: string): string[] {
  const entries = list.split(',').map((entry) => entry.trim());
  return list === '' ? [] : [...new Set(entries)];
}
