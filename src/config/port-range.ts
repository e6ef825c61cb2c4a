/** The ports among which a program takes a free one, as people write them. */

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

const PORT_MAX = 65_535;
const RANGE = /^(\d{1,5})(?:-(\d{1,5}))?$/;

/** `20000`, `20000-20100`, `0` (any free port); undefined when it is none. */
export function parsePortRange(text: string): PortRange | undefined {
  const [, from, to = from] = RANGE.exec(text) ?? [];
  const [first, last] = [Number(from), Number(to)];
  const isRange = first <= last && last <= PORT_MAX && (first > 0 || last === 0);
  return from === undefined || !isRange ? undefined : { first, last };
}

export function formatPortRange({ first, last }: PortRange): string {
  return first === last ? `${first}` : `${first}-${last}`;
}
