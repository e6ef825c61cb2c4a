export function brokenPromises(command: string, summary: object): string[];
