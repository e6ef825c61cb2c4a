/** Bytes that can be used below `directory`, a tmpfs: limited by its free space and by the free memory. */
import { statfsSync } from 'node:fs';
import { freemem } from 'node:os';

/** Fraction that is left to other programs. */
const MARGIN = 0.1;

export function roomBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return Math.floor(Math.min(bavail * bsize, freemem()) * (1 - MARGIN));
}
