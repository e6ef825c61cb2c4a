/** The control groups that an engine makes for its containers. It leaves them behind when it ends. */
import { existsSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = '/sys/fs/cgroup';

/** Folders of the groups of that name: one, or with version 1 one for each controller. */
export function controlGroups(name: string): string[] {
  const hierarchies = [ROOT, ...foldersIn(ROOT)];
  return hierarchies.map((hierarchy) => join(hierarchy, name)).filter((group) => existsSync(group));
}

/** Removes the groups of that name, which have no process any more, with those inside. */
export function removeControlGroups(name: string): void {
  for (const group of controlGroups(name)) removeGroup(group);
}

function removeGroup(group: string): void {
  for (const inner of foldersIn(group)) removeGroup(inner);
  rmdirSync(group);
}

function foldersIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(folder, name));
}
