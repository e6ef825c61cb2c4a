/** The first `limit` items that are wanted. It looks at none after them. */
export function firstOf<Item>(items: Iterable<Item>, limit: number, isWanted: (item: Item) => boolean): Item[] {
  const first: Item[] = [];
  for (const item of items) {
    if (first.length >= limit) break;
    if (isWanted(item)) first.push(item);
  }
  return first;
}
