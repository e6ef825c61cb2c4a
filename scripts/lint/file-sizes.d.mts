export function complaintsAboutSizes(files: readonly string[], read: (file: string) => string): string[];
