/** Whether each container is confined as docker-compose.yml promises. */
import type { Container } from './cluster.js';
import type { Findings } from './summary.js';

export function checkContainers(containers: readonly Container[], findings: Pick<Findings, 'expect'>): void {
  for (const container of containers) {
    for (const what of missingIn(container)) findings.expect(false, `container ${container.Name}: ${what}`);
  }
}

/** What the container lacks, in words. */
export function missingIn({ Config, HostConfig, NetworkSettings }: Container): string[] {
  const { CapDrop, CapAdd, SecurityOpt, ReadonlyRootfs, PidsLimit, Memory, LogConfig } = HostConfig;
  const networks = Object.keys(NetworkSettings.Networks);
  const kept: Readonly<Record<string, boolean>> = {
    'cap_drop: ALL': CapDrop?.includes('ALL') === true && (CapAdd ?? []).length === 0,
    'no-new-privileges': SecurityOpt?.some((option) => option.startsWith('no-new-privileges')) === true,
    read_only: ReadonlyRootfs,
    pids_limit: (PidsLimit ?? 0) > 0,
    mem_limit: Memory > 0,
    'a limit of its logs': LogConfig.Config['max-size'] !== undefined,
    'no network but the internal one': networks.length === 1 && networks[0]?.endsWith('_cluster') === true,
    'an ordinary user': Config.User !== '',
  };
  return Object.keys(kept).filter((what) => !kept[what]);
}
