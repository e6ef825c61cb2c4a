export function complaints(files: readonly string[], read: (file: string) => string | undefined): string[];
export function readIn(root: string): (file: string) => string;
