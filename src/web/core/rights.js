// What can be done here, and by whom, as far as the page knows: the server decides.

import { peopleWords } from '../words/index.js';
import { knows } from './store.js';

/** Whether there is anything to be done about a message, or about its author. From one with an id on, all can be unread again. */
export const hasMenu = ({ id = undefined, own = false }) => id !== undefined || (!own && ['ignore', 'kick', 'mute', 'report'].some(knows));

export const keepsOrder = (conv) => conv.role === 'owner' || conv.role === 'moderator';

/** Why this person cannot write there, or ''. */
export function silence(conv) {
  if (conv?.settings?.archived === true) return peopleWords.archived;
  return conv?.settings?.posting === 'moderators' && !keepsOrder(conv) ? peopleWords.onlyModerators : '';
}
