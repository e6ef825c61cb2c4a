/** Files of the cgroup of this process, of either version of cgroups. */
import type { System } from './system.js';

const ROOT = '/sys/fs/cgroup';

export interface CgroupFile {
  /** Its name in version 2. */
  readonly unified: string;
  /** In version 1, its controller and its name. */
  readonly controller: string;
  readonly name: string;
}

/** Undefined when the file does not exist: there is no such limit, or it is not visible here. */
export function cgroupFile(system: System, { unified, controller, name }: CgroupFile): string | undefined {
  const rows = (system.read('/proc/self/cgroup') ?? '').split('\n').map((line) => line.split(':'));
  const pathOf = (wanted: string) => rows.find(([, controllers]) => controllers?.split(',').includes(wanted))?.[2];
  // Inside a container the path may belong to the host and not be mounted. The root is then the container's own.
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
