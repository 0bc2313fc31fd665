// Being told of what is said while one looks elsewhere: of what, and how much of it is waiting.

import { store } from './store.js';
import { isNews } from './unread.js';

/** Whether somebody wants to hear of a message: of what is for them, and of all where they have said so. */
export function isTold(conv, message) {
  const level = conv.reading?.level ?? 'all';
  if (message.own || message.isIgnored || message.isDeleted || level === 'none' || level === 'hidden') return false;
  return conv.kind === 'direct' || message.mention === true || (level === 'all' && store.role !== '');
}

/** What is unread, and how much of that is for this person. */
export function waiting() {
  const all = [...store.conversations.values()].filter(isNews);
  const unread = all.reduce((sum, conv) => sum + conv.unread, 0);
  const forMe = all.reduce((sum, conv) => sum + (conv.kind === 'direct' ? conv.unread : conv.mentions), 0);
  return { unread, forMe };
}
