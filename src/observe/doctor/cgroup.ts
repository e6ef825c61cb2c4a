/** Files of the cgroup of this process, of either version of cgroups. */
import type { System } from './system.js';

const ROOT = '/sys/fs/cgroup';

export interface CgroupFile {
  /** Its name in version 2. */
  readonly unified: string;
  /** In version 1, the controller it belongs to, and its name there. */
  readonly controller: string;
  readonly name: string;
}

/** Undefined when there is no such file: then there is no such limit, or it cannot be seen from here. */
export function cgroupFile(system: System, { unified, controller, name }: CgroupFile): string | undefined {
  const rows = (system.read('/proc/self/cgroup') ?? '').split('\n').map((line) => line.split(':'));
  const pathOf = (wanted: string) => rows.find(([, controllers]) => controllers?.split(',').includes(wanted))?.[2];
  // Inside a container the path may be one of the host, which is not mounted here; the root is then its own.
  const candidates = [
    `${ROOT}${pathOf('') ?? '/'}/${unified}`,
    `${ROOT}/${unified}`,
    `${ROOT}/${controller}${pathOf(controller) ?? '/'}/${name}`,
    `${ROOT}/${controller}/${name}`,
  ];
  for (const path of candidates) {
    const text = system.read(path.replaceAll('//', '/'));
    if (text !== undefined) return text;
  }
  return undefined;
}
