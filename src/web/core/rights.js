// What can be done here, and by whom, as far as the page knows: the server decides.

import { peopleWords } from '../words/index.js';

export const keepsOrder = (conv) => conv.role === 'owner' || conv.role === 'moderator';

/** Why this person cannot write there, or ''. */
export function silence(conv) {
  if (conv?.settings?.archived === true) return peopleWords.archived;
  return conv?.settings?.posting === 'moderators' && !keepsOrder(conv) ? peopleWords.onlyModerators : '';
}
