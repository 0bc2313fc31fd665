// Tab in the message box: the word before the caret becomes what it may be the beginning of; Tab again, the next of these.

import { completionsOf } from '../../core/complete.js';
import { alphabet } from '../../words/language.js';
import { current, isMe, rooms } from '../../core/store.js';
import { $ } from '../dom.js';

export class Completion {
  #commands;
  #running = null; // { from, list, at, end, text }: what was put in last

  /** `commands`: gives the names of those that can be typed. */
  constructor(commands) { this.#commands = commands; }

  get #box() { return $('#composer'); }

  /** Returns whether there was something to complete; otherwise Tab goes on to what comes next. */
  step(by) {
    const box = this.#box, isStill = this.#running?.text === box.value && this.#running.end === box.selectionEnd;
    const next = isStill ? this.#running : this.#begin();
    if (!next) return false;
    next.at = (next.at + by + next.list.length) % next.list.length;
    box.setRangeText(next.list[next.at], next.from, box.selectionEnd, 'end');
    this.#running = { ...next, end: box.selectionEnd, text: box.value };
    return true;
  }

  #begin() {
    const box = this.#box;
    if (box.selectionStart !== box.selectionEnd) return null;
    const names = this.#names(), commands = this.#commands();
    const found = completionsOf(box.value, box.selectionEnd, { names, rooms: rooms().map(({ name }) => name), commands });
    return found && { ...found, at: -1, end: 0, text: '' };
  }

  /** Who spoke last comes first. */
  #names() {
    const conv = current();
    if (!conv) return [];
    const speakers = conv.entries.slice(-100).reverse().map(({ name }) => name).filter(Boolean);
    const others = [...conv.members.values()].sort(alphabet.compare);
    return [...new Set([...speakers, ...others, ...(conv.kind === 'direct' ? [conv.name] : [])])].filter((name) => !isMe(name));
  }
}
