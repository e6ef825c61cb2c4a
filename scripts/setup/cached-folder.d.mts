export class CannotSetUp extends Error {}
export interface CachedFolder {
  readonly prefix: string;
  readonly ingredients: readonly string[];
  readonly maker: string;
  make(work: string): void | Promise<void>;
}
export function cachedFolder(options: CachedFolder): Promise<string>;
