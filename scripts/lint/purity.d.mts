export function complaintsAboutPurity(files: readonly string[], read: (file: string) => string): string[];
