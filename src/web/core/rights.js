// What can be done here, and by whom, as far as the page knows: the server decides.

import { peopleWords } from '../words/index.js';
import { knows, store } from './store.js';

/** Whether there is anything to be done about a message, or about its author. */
export function hasMenu({ id = undefined, own = false }) {
  if (id !== undefined && ((store.role && knows('unread')) || (own && knows('delete')))) return true;
  return !own && ['ignore', 'kick', 'mute', 'report'].some(knows);
}

export const keepsOrder = (conv) => conv.role === 'owner' || conv.role === 'moderator';

/** Why this person cannot write there, or ''. */
export function silence(conv) {
  if (conv?.settings?.archived === true) return peopleWords.archived;
  return conv?.settings?.posting === 'moderators' && !keepsOrder(conv) ? peopleWords.onlyModerators : '';
}
