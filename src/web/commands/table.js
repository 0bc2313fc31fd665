// The commands that the server has, and how the page reads a line by their table.

import { notify } from '../core/store.js';
import { peopleWords, t } from '../words/index.js';
import { COMMANDS } from './server.js';

/** These open a list of their own, which needs no arguments. */
const LISTS = ['who', 'rooms', 'help', 'token', 'invite', 'invitations', 'sessions', 'confirm', 'room', 'unread', 'bans', 'unban', 'conversations', 'delete'];

/** How a command of the table is typed here. */
const usageOf = ({ name, arguments: args }) => (LISTS.includes(name) ? `/${name}` : `/${name} ${args}`);

export class Commands {
  #actions;

  /**
   * @param {Record<string, (rest: string, conv: any) => unknown>} actions what the page does for a command, by its arguments
   *   and the conversation; returning false means that the arguments were not right
   */
  constructor(actions) { this.#actions = actions; }

  #known() { return COMMANDS.filter(({ name }) => name === '/' || Object.hasOwn(this.#actions, name)); }

  /** What can be typed after a slash. */
  names() { return this.list().map(({ name }) => name); }

  /** The same, how it is typed, and what it does. */
  list() { return this.help().filter(({ name }) => name !== '/'); }

  /** All that can be typed here. */
  help() {
    const about = ({ name, help }) => t.commands[name] ?? peopleWords.commands[name] ?? help;
    return this.#known().map((command) => ({ name: command.name, usage: usageOf(command), about: about(command) }));
  }

  /** Takes what begins with a slash; returns whether it is done with. */
  run(line, conv) {
    const [, name, rest] = /^[/／](\S*)\s*([^]*)$/.exec(line) ?? [];
    const command = COMMANDS.find((it) => it.name === name.toLowerCase());
    const action = command && Object.hasOwn(this.#actions, command.name) && this.#actions[command.name];
    if (!command) notify(t.unknownCommand(`/${name}`), true);
    else if (!action) notify(t.terminalOnly(`/${name}`), true);
    else if (action(rest.trim(), conv) === false) notify(t.usage(usageOf(command)), true);
    else return true;
    return false;
  }
}
