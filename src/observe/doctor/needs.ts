/** Memory that an agent with these settings takes in its arena directory. */
import type { Examination } from './examination.js';

export interface MemoryNeeds {
  readonly arenaBytes: number;
  readonly stagingBytes: number;
  /** The part of both that a running agent of this name has already taken. */
  readonly takenBytes: number;
}

export function memoryNeeds({ settings, cluster, system }: Examination): MemoryNeeds {
  const { role, pageBytes, arenaPages, arenaDevice, stagingPages, agentId } = settings;
  const running = cluster?.agents.find(({ description }) => description.agent === agentId)?.description;
  const { arena, staging } = running ?? {};
  const taken = [arena, staging].map((area) =>
    area?.path !== undefined && system.exists(area.path) ? area.pageBytes * area.pages : 0,
  );
  return {
    arenaBytes: role === 'prefill' || arenaDevice !== 'host' ? 0 : pageBytes * arenaPages,
    stagingBytes: role === 'decode' ? 0 : pageBytes * stagingPages,
    takenBytes: taken.reduce((sum, bytes) => sum + bytes, 0),
  };
}

/** Memory that is still missing. */
export function missingBytes({ arenaBytes, stagingBytes, takenBytes }: MemoryNeeds): number {
  return Math.max(0, arenaBytes + stagingBytes - takenBytes);
}
