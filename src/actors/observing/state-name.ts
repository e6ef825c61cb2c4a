/**
 * A machine's state as `status` shows it: `running.open`; of several at once `connected and alive`, without the name of the
 * state around them.
 */
export function stateName(value: string | object): string {
  if (typeof value === 'string') return value;
  const states = Object.values(value);
  if (states.length > 1) return states.map(stateName).join(' and ');
  const [inner] = states;
  const isAround = typeof inner === 'object' && Object.keys(inner).length > 1;
  return isAround ? stateName(inner) : `${Object.keys(value)[0]}.${stateName(inner)}`;
}
