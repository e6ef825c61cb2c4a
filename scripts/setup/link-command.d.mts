export function linkCommands(root: string): void;
