/** From the name of a state, as agents say it, to the ids that its drawing has. */

/**
 * Names leave out states around several at once: `connected and alive` of `peer.open.connection.connected` and
 * `peer.open.liveness.alive`. So each part is looked up by its end. The states around it are lit as well.
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

/** Those that have no other of them inside: where it really is. */
export function innermost(ids: readonly string[]): string[] {
  return ids.filter((id) => !ids.some((other) => other.startsWith(`${id}.`)));
}
