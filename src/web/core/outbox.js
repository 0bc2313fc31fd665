// Sending exactly once. What is said goes into the outbox and stays there until the server's own copy of it arrives:
//
//   queued   not sent on any connection that could still deliver it
//   sent     written to the present connection, no answer yet
//   unsure   written to a connection that broke before the answer came
//   failed   refused by the server; its author decides
//
// After a reconnect an `unsure` message is neither repeated nor given up at once. The join with `since` replays all that was
// said in the room since the last id seen here, so if the message was taken it comes by, in order, under the name it was sent
// as: that settles it. If the replay passes without it, it was not taken *yet*. It never will be once the old connection is
// gone, and the server proves that by giving us the same name again, for no two clients hold one name. Then it is queued anew.
// Three cases cannot be known, and are left to the author with "Send again": the name did not come back, the history
// no longer reaches far enough (gap), and direct messages, which have no history. After a restart of the server
// (another epoch) whatever the old one had not answered is sent to the new one.
//
// Each message has a key of its own, under which the server says it once, however often it is sent: what is sent again
// although it had arrived is answered with what it has become.
//
// Here is only what follows from what: a list and an event make the next list. Who sends, and when, is in net/outgoing.js.

import { essence } from './text.js';
import { fold } from './names.js';

// Of one conversation. Fewer unanswered messages, fewer doubts when the line breaks; and the server reads no more of a client
// of which eight wait for rooms that are behind, so that these few of one room hold up no other.
export const IN_FLIGHT_MAX = 4;
export const TRIES_MAX = 4; // a message that breaks the line every time must not do so for ever

/**
 * @typedef {object} Item
 * @property {string} key of its row
 * @property {string} sendKey what the server knows it by
 * @property {string} ref of the request, while it is sent
 * @property {'say' | 'me' | 'msg'} kind
 * @property {string} conv key of the conversation
 * @property {string} text
 * @property {number} time
 * @property {'queued' | 'sent' | 'unsure' | 'failed'} state
 * @property {string} as the name it was sent under
 * @property {number} tries
 * @property {any} error why it failed: an error of the server, or words
 * @property {boolean} lost that no replay will tell what has become of it
 */

/** @returns {Item} */
export const newItem = (fields) => ({ ref: '', state: 'queued', as: '', tries: 0, error: '', lost: false, ...fields });

/** What becomes of an item by an event: the item as it is then, or null. */
function after(item, event) {
  const isIt = item.key === event.key, isThere = item.conv === event.conv;
  switch (event.type) {
    case 'sent': return isIt ? { ...item, state: 'sent', ref: event.ref, as: event.as, tries: item.tries + 1, lost: false } : item;
    case 'refused': return isIt ? { ...item, state: 'failed', error: event.error } : item;
    case 'arrived': case 'discarded': return isIt ? null : item;
    // The line broke.
    case 'cut': return item.state === 'sent' ? { ...item, state: 'unsure' } : item;
    // Another life of the server: the old one says nothing more.
    case 'restarted': return item.state === 'unsure' ? { ...item, state: 'queued' } : item;
    // The replay of a room has a gap.
    case 'gap': return isThere && item.state === 'unsure' ? { ...item, lost: true } : item;
    // The name under which the present connection goes on is not known.
    case 'nameless': return item.state === 'sent' ? { ...item, lost: true } : item;
    // All that was missed of a conversation has come, and the old connection is proved gone.
    case 'settled': return isThere && item.state === 'unsure' && !item.lost && event.isProved(item) ? { ...item, state: 'queued' } : item;
    case 'left': return isThere ? null : item;
    case 'moved': return isThere ? { ...item, conv: event.to } : item;
    default: return item;
  }
}

/** @param {Item[]} items @returns {Item[]} */
export function reduce(items, event) {
  if (event.type === 'said') return [...items, newItem(event.item)];
  if (event.type === 'again') {
    const item = items.find(({ key }) => key === event.key);
    return item ? [...items.filter((other) => other !== item), { ...item, state: 'queued', tries: 0, time: event.time }] : items;
  }
  return /** @type {Item[]} */ (items.map((item) => after(item, event)).filter(Boolean));
}

/**
 * The one that is to be sent now, if any: each conversation has a queue of its own. `isOpen` says by its key whether something
 * can be said there.
 */
export function next(items, isOpen) {
  const inFlight = new Map();
  for (const { state, conv } of items) if (state === 'sent') inFlight.set(conv, (inFlight.get(conv) ?? 0) + 1);
  return items.find(({ state, conv }) => state === 'queued' && (inFlight.get(conv) ?? 0) < IN_FLIGHT_MAX && isOpen(conv));
}

/**
 * The item that a message is the server's copy of. What one connection took it took in order, so among equal lines the first
 * is the right one. `byRefOnly`: this copy has been here before, or is old.
 */
export function itemOf(items, conv, message, byRefOnly) {
  let heard; // worked out once, and only where it is needed
  return items.find((item) => item.conv === conv && (item.state === 'sent' ? message.ref !== undefined && item.ref === message.ref
    : item.state === 'unsure' && message.ref === undefined && message.deleted !== true && !byRefOnly && fold(item.as) === fold(message.name)
      && (item.kind === 'me') === (message.me === true) && essence(item.text) === (heard ??= essence(message.text))));
}
