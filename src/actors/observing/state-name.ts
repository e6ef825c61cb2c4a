/**
 * The state of a machine as `status` shows it, such as `running.open`. Parallel states are joined, without the name of the
 * state around them: `connected and alive`.
 */
export function stateName(value: string | object): string {
  if (typeof value === 'string') return value;
  const states = Object.values(value);
  if (states.length > 1) return states.map(stateName).join(' and ');
  const [inner] = states;
  const isAround = typeof inner === 'object' && Object.keys(inner).length > 1;
  return isAround ? stateName(inner) : `${Object.keys(value)[0]}.${stateName(inner)}`;
}
