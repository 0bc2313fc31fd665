// What is typed with a slash. The server has the table of commands; here is how the page reads a line by it.

import { notify, store } from '../core/store.js';
import { linesOf, saidOf } from '../core/text.js';
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
   * @param {(conv: any, text: string) => void} say
   * @param {(conv: any, text: string) => number} excess by how many bytes a text is too long
   */
  constructor(actions, say, excess) {
    this.#actions = actions;
    this.#say = say;
    this.#excess = excess;
  }

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

  /** By how many bytes a draft is over the limit, as a message to this conversation. */
  excess(conv, draft) { return this.#excess(conv, saidOf(draft)); }

  /** Returns whether the draft is done with. Of several lines it is one message, and no command but those that say something. */
  submit(conv, draft) {
    const text = saidOf(draft), isLine = linesOf(text) === 1;
    if (!text) return false;
    if (isLine ? /^[/／](?![/／])/.test(text) : /^[/／](?:me|msg)\s/i.test(text)) return this.#run(text, conv);
    if (!conv || this.#refuseLong(conv, text)) return false;
    this.#say(conv, isLine ? text.replace(/^[/／](?=[/／])/, '') : text);
    return true;
  }

  #refuseLong(conv, text) {
    const over = this.#excess(conv, text), lines = linesOf(text), most = store.limits.message_lines || Infinity;
    if (over > 0) notify(t.tooLong(over), true);
    else if (lines > most) notify(t.tooManyLines(lines, most), true);
    return over > 0 || lines > most;
  }

  /** Takes what begins with a slash; returns whether it is done with. */
  #run(line, conv) {
    if (this.#refuseLong(conv, line)) return false;
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
