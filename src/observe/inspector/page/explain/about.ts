export const abouts = ['request', 'transfer', 'key', 'page'] as const;
export type About = (typeof abouts)[number];

export function isAbout(value: string | undefined): value is About {
  return abouts.some((about) => about === value);
}

/** Guesses the kind of a name from its form. Undefined: it could be a request or a key. */
export function guessAbout(name: string): About | undefined {
  if (/^\d+$/.test(name)) return 'page';
  if (/^[0-9a-f]{16}\/.+\/\d+$/.test(name)) return 'transfer';
  if (name.includes('@')) return 'key';
  return undefined;
}
