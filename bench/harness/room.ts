/** Bytes that can be used below `directory`, a tmpfs: what it has room for, and memory to back it. */
import { statfsSync } from 'node:fs';
import { freemem } from 'node:os';

/** Part of the room that is left to others. */
const MARGIN = 0.1;

export function roomBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return Math.floor(Math.min(bavail * bsize, freemem()) * (1 - MARGIN));
}
