// A room or a direct conversation, as this page knows it.

import { bareName, bareRoom, directKey, roomKey } from './names.js';

export const keyOf = (kind, name) => (kind === 'room' ? roomKey(name) : directKey(name));

/** @typedef {ReturnType<typeof newConversation>} Conversation */

/** @param {'room' | 'direct'} kind */
export function newConversation(kind, name) {
  return {
    key: keyOf(kind, name),
    kind, // 'room' | 'direct'
    name: kind === 'room' ? `#${bareRoom(name)}` : bareName(name),
    stage: 'out', // 'out' | 'joining' | 'replaying' | 'in': of a room, on this connection
    known: kind === 'direct', // joined at least once: there is something to show
    epoch: '', // the life of the server that lastId and ids belong to
    lastId: /** @type {number | null} */ (null), // the resume position: everything up to it has been received; null before the first join is complete
    since: /** @type {number | null} */ (null), // the resume position that it was joined with: what is replayed is newer
    position: 0, // the room's last id when it was joined: the replay ends there
    joins: 0,
    entries: [], // what the log shows, in order: messages (each id once, sorted within an epoch), events, dividers
    ids: new Set(), // of the messages of this epoch among the entries
    older: false, // the server has messages from before the entries
    loadingOlder: false,
    passage: null, // what the log shows instead, around a message that was searched for; see Session
    sought: null, // the id of that message, until its surroundings are here
    topic: '',
    members: new Map(), // folded name -> name
    accounts: new Set(), // those of them that are accounts, folded
    away: new Set(), // and those that are not here now
    resting: new Set(), // those who say that they are away, folded
    wanted: false, // asked for by its reader, and not entered yet
    total: 0, // of members, the list of which may be incomplete
    membersAsked: false,
    membersTimer: 0,
    typing: new Map(), // folded name -> { name, until }
    readId: null, // of a guest: the last id that was read, remembered between visits
    unread: 0,
    firstUnread: null, // the entry that the line "New" stands above, where there are no ids
    reading: null, // { read, newest, level }: what has been read of a conversation with ids; see Reading
    mentions: 0, // unread ones, and this with it:
    newFrom: null, // the id from which on it is new
    isHeld: false, // marked as unread by its reader: not read by being looked at
    jumps: false, // to what is new, as soon as it is drawn
    isCatchingUp: false, // the beginning of what is new is asked for
    isBehind: false, // something was new when it was opened, and is not all read
    entry: '', // who may enter, where that is not everybody
    role: '', // one's own in this room, of an account that has one
    settings: null, // as the server told them last
    roles: new Map(), // folded name -> role, of owners and moderators
    asking: new Map(), // folded name -> name: who asks to be let in
    asked: false, // what the server has counted of a direct conversation that is new here
    kept: false, // a direct conversation that the server keeps
    at: 0, // when something was said in it last
    isGuest: false, // of the other in a direct conversation, as are
    isGone: false,
    isAway: false,
    draft: '',
  };
}

/** The fields by which the server knows a conversation. */
export const addressOf = (conv) => (conv.kind === 'room' ? { room: conv.name } : { to: conv.name });
