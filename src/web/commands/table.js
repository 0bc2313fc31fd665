// What is typed with a slash. The server has the table of commands; here is how the page reads a line by it.

import { notify } from '../core/store.js';
import { peopleWords, t } from '../words/index.js';
import { COMMANDS } from './server.js';

/** These open a list of their own, which needs no arguments. */
const LISTS = ['who', 'rooms', 'help', 'token', 'invite', 'invitations', 'sessions', 'confirm', 'room', 'unread', 'bans', 'unban', 'conversations', 'delete'];

export const NAMES = COMMANDS.map(({ name }) => name);

/** How a command of the table is typed here. */
const usageOf = ({ name, arguments: args }) => (LISTS.includes(name) ? `/${name}` : `/${name} ${args}`);

export class Commands {
  #actions;
  #say;
  #excess;

  /**
   * @param {Record<string, (rest: string, conv: any) => unknown>} actions what the page does for a command, by its arguments
   *   and the conversation; returning false means that the arguments were not right
   * @param {(conv: any, line: string) => void} say
   * @param {(conv: any, line: string) => number} excess by how many bytes a line is too long
   */
  constructor(actions, say, excess) {
    this.#actions = actions;
    this.#say = say;
    this.#excess = excess;
  }

  #known() { return COMMANDS.filter(({ name }) => name === '/' || Object.hasOwn(this.#actions, name)); }

  /** What can be typed after a slash. */
  names() { return this.#known().map(({ name }) => name).filter((name) => name !== '/'); }

  /** What can be typed here, and what it does. */
  help() {
    return this.#known().map((command) => [usageOf(command), t.commands[command.name] ?? peopleWords.commands[command.name] ?? command.help]);
  }

  /** By how many bytes the longest of these lines is over the limit, as a message to this conversation. */
  excess(conv, lines) {
    return lines.reduce((most, line) => Math.max(most, this.#excess(conv, line)), -Infinity);
  }

  /** Returns whether the draft is done with. A draft of several lines is several messages, and none of them a command. */
  submit(conv, draft) {
    const lines = draft.split(/\r\n|\r|\n/).map((line) => line.trim()).filter(Boolean);
    if (lines.length === 0) return false;
    if (lines.length === 1 && /^\/(?!\/)/.test(lines[0])) return this.#run(lines[0], conv);
    if (!conv) return false;
    if (lines.length === 1) lines[0] = lines[0].replace(/^\/\//, '/');
    if (this.#refuseLong(conv, lines)) return false;
    for (const line of lines) this.#say(conv, line);
    return true;
  }

  #refuseLong(conv, lines) {
    const over = this.excess(conv, lines);
    if (over > 0) notify(t.tooLong(over), true);
    return over > 0;
  }

  /** Takes one line with a slash; returns whether it is done with. */
  #run(line, conv) {
    if (this.#refuseLong(conv, [line])) return false;
    const [, name, rest] = /^\/(\S*)\s*([^]*)$/.exec(line) ?? [];
    const command = COMMANDS.find((it) => it.name === name.toLowerCase());
    const action = command && Object.hasOwn(this.#actions, command.name) && this.#actions[command.name];
    if (!command) notify(t.unknownCommand(`/${name}`), true);
    else if (!action) notify(t.terminalOnly(`/${name}`), true);
    else if (action(rest.trim(), conv) === false) notify(t.usage(usageOf(command)), true);
    else return true;
    return false;
  }
}
