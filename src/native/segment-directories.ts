/**
 * The directories below which engines may have their memory. The addon has them open, and resolves the names below them without
 * following links (docs/decisions/035-attach-below-directories.md).
 */
import { basename, normalize } from 'node:path';
import { KvferryError } from '../protocol/errors.js';

/** Files of agents that have ended have no lock any more. Agents that start remove them by their names. */
const NAME_OF_AGENT_MEMORY = /^kvferry-.*-(arena|staging)$/;

export interface SegmentPlace {
  /** Place of the directory in `paths`. */
  readonly directory: number;
  /** Path below it. */
  readonly name: string;
}

export class SegmentDirectories {
  /** Those that lie below others come first. Without a slash at the end. */
  readonly paths: readonly string[];

  constructor(paths: readonly string[]) {
    const tidy = paths.map((path) => normalize(path).replace(/(?<=.)\/$/, ''));
    this.paths = [...new Set(tidy)].sort((one, other) => other.length - one.length);
  }

  /** Throws `segment_invalid` unless the path lies below one of the directories. */
  placeOf(path: string): SegmentPlace {
    const whole = normalize(path);
    if (NAME_OF_AGENT_MEMORY.test(basename(whole))) {
      throw new KvferryError(
        'segment_invalid',
        `${path} has the name of an agent's memory: attach a file of the engine`,
      );
    }
    for (const [directory, above] of this.paths.entries()) {
      const start = above === '/' ? above : `${above}/`;
      if (whole.startsWith(start) && whole.length > start.length) return { directory, name: whole.slice(start.length) };
    }
    const remedy = 'put the file there, or add its directory to --segment-directory of the agent';
    throw new KvferryError(
      'segment_invalid',
      `${path} is not below a directory for segments (${this.paths.join(', ')}): ${remedy}`,
    );
  }
}
