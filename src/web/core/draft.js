// What is in the message box as what it is to become: a message, or a command.

import { notify, store } from './store.js';
import { linesOf, saidOf } from './text.js';
import { t } from '../words/index.js';

/** A command, or null: with a slash, or the one that is typed while Japanese is. Of several lines a draft is one message, and no command but those that say something. */
export function commandOf(draft) {
  const text = saidOf(draft), isCommand = linesOf(text) === 1 ? /^[/／](?![/／])/.test(text) : /^[/／](?:me|msg)\s/i.test(text);
  return isCommand ? text : null;
}

/** What a draft that is no command says. */
export function messageIn(draft) {
  const text = saidOf(draft);
  return linesOf(text) === 1 ? text.replace(/^[/／](?=[/／])/, '') : text;
}

/** Whether a text cannot be said, being longer by so many bytes than the server takes, or of too many lines; that is told. */
export function refuseLong(text, excess) {
  const lines = linesOf(text), most = store.limits.message_lines || Infinity;
  if (excess > 0) notify(t.tooLong(excess), true);
  else if (lines > most) notify(t.tooManyLines(lines, most), true);
  return excess > 0 || lines > most;
}
