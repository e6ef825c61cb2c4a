export function complaintsAboutSizes(files: readonly string[], read: (file: string) => string): string[];
export function complaintsAboutBytes(files: readonly string[], bytesOf: (file: string) => number): string[];
