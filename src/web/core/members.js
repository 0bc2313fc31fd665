// Who is in a room, in the order in which they stand.

import { alphabet } from '../words/language.js';
import { fold } from './names.js';
import { isMe, store } from './store.js';

/** Oneself, then who is here, then who is not; each by name. `typed`: those alone in whose names it is. */
export function membersOf(conv, typed) {
  // Where everybody is a guest, that need not be said.
  const hasAccounts = store.role !== '' || conv.accounts.size > 0, part = fold(typed.trim());
  const people = [...conv.members].filter(([key]) => key.includes(part)).map(([key, name]) => (
    { key, name, isMe: isMe(name), isGuest: hasAccounts && !conv.accounts.has(key), isAway: conv.away.has(key) && !isMe(name), isResting: conv.resting.has(key) }));
  return people.sort((a, b) => Number(b.isMe) - Number(a.isMe) || Number(a.isAway) - Number(b.isAway) || alphabet.compare(a.name, b.name));
}
