/** Finds the ids in the drawing for the name of a state in an agent's answers. */

/**
 * Names of parallel states leave out their parents: `connected and alive` of `peer.open.connection.connected` and
 * `peer.open.liveness.alive`. So each part is matched with the end of an id. The result includes the parents.
 */
export function idsOfState(machine: string, state: string, ids: readonly string[]): string[] {
  const found = new Set<string>();
  for (const part of state.split(' and ')) {
    const exact = `${machine}.${part}`;
    const candidates = ids.filter((id) => id === exact || id.endsWith(`.${part}`));
    const id = candidates.includes(exact) ? exact : candidates.toSorted((a, b) => a.length - b.length)[0];
    if (id === undefined) continue;
    const parts = id.split('.');
    for (let length = 2; length <= parts.length; length += 1) {
      const around = parts.slice(0, length).join('.');
      if (ids.includes(around)) found.add(around);
    }
  }
  return [...found];
}

/** The ids that contain no other of the ids: the innermost states. */
export function innermost(ids: readonly string[]): string[] {
  return ids.filter((id) => !ids.some((other) => other.startsWith(`${id}.`)));
}
