// The server makes this file: its table of commands.
export const COMMANDS: { name: string; arguments: string; help: string }[];
