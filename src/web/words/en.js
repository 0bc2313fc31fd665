// What the page says, in English.

export const page = {
  brand: 'Chat', skip: 'Skip to the message box', conversations: 'Conversations', commandList: 'Commands', rooms: 'Rooms', browse: 'Browse rooms',
  directs: 'Direct messages', join: 'Join', joinHint: 'Join or create a room', members: 'Members',
  help: 'Help', close: 'Close', more: 'Show more', send: 'Send', dismiss: 'Dismiss',
  search: 'Search',
  openRooms: 'Open the list of conversations', changeTopic: 'Change the topic', noTopic: 'Add a topic',
  leaveRoom: (room) => `Leave ${room}`, closeDirect: 'Close this conversation',
  offline: 'You are offline. What you send now goes out when the connection is back.',
  retryIn: (s) => `Next try in ${s} s`, retry: 'Try now', connecting: 'Connecting…', reconnecting: 'Reconnecting…',
  messageTo: (who) => `Message ${who}`, typing1: (a) => `${a} is typing…`, typing2: (a, b) => `${a} and ${b} are typing…`,
  typingMany: 'Several people are typing…', today: 'Today', yesterday: 'Yesterday', newMessages: 'New', newRoom: 'New', asking: 'Asking to enter',
  gap: 'Some messages are missing here: there were more than the server keeps',
  restart: 'The server was restarted: what was said meanwhile may be missing, and older messages are only on this screen',
  settings: 'Settings',
  notLoaded: 'A part of this page could not be loaded. Try again, or reload the page.',
  loading: 'Loading older messages…', latest: 'Latest messages', latestNew: (n) => `${n} new`,
  jump: 'Jump', markRead: 'Mark as read', olderGone: 'Nothing from before this can be shown.',
  startRoom: (room) => `This is where ${room} begins.`, firstWord: ' The first word is yours.', startDirect: (name) => `Between you and ${name}. Kept on this screen only.`,
  blankTitle: 'No room yet', blankText: 'Join one, or make a new one and invite someone.',
  comings: { came: (who) => `${who} joined`, left: (who) => `${who} left`, visited: (who) => `${who} came and went`, back: (who) => `${who} left and came back` },
  namesAnd: (names, n) => (n ? `${names.join(', ')} and ${n} more` : [names.slice(0, -1).join(', '), names.at(-1)].filter(Boolean).join(' and ')), manyPeople: (n) => (n === 1 ? '1 person' : `${n} people`),
  tookNames: (n) => (n === 1 ? '1 person took another name' : `${n} people took other names`), withReason: (n, why) => `${n} (${why})`,
  renamed: (a, b) => `${a} is now ${b}`, topicSet: (n, topic) => `${n} set the topic: ${topic}`, topicCleared: (n) => `${n} cleared the topic`,
  comma: ', ', someone: 'Someone',
  queued: 'Waits for the connection', waiting: 'Waits for those before it', sending: 'Sending…', unsure: 'This may not have arrived.', failed: (why) => `Not sent: ${why}`,
  again: 'Send again', discard: 'Discard',
  you: 'you', rename: 'Change your name', chooseName: 'Choose your name',
  nameHeld: (wish, now) => `“${wish}” is still in use, perhaps by your own lost connection. You are “${now}” meanwhile; it is tried again.`,
  nameGone: (wish, now) => `The name “${wish}” is taken. You are “${now}”.`,
  filterMembers: 'Find a member', favourite: 'favourite', star: (room) => `Make ${room} a favourite`, unstar: (room) => `Take ${room} out of the favourites`,
  people: (n) => `${n}`,
  waitOnline: 'You are offline.',
  moreMembers: (n) => `and ${n} more`, messageMember: (name) => `Message ${name}`, unread: (n) => `${n} unread`,
  removedFrom: (room, why) => `You are no longer in ${room}${why ? ` (${why})` : ''}.`,
  tooLong: (n) => `That is ${n} bytes too long.`, tooManyLines: (n, most) => `That is ${n} lines; a message has at most ${most}.`,
  copyCode: 'Copy', bytesLeft: (n) => `${n} bytes left`, tooBig: 'it is too long for the server.',
  showAll: (n) => `Show all ${n} characters`,
  // as the server has them
};

/** About accounts. */
export const accounts = {
  logIn: 'Log in', makeAccount: 'Make an account',
  roles: { member: 'Account', admin: 'Admin of this server', owner: 'Owner of this server' },
  guest: 'guest', away: 'offline',
  offline: 'You are offline. Try again when the connection is back.',
};

/** About private rooms, conversations, what is unread, and order. */
export const people = {
  // rooms
  roomMenu: (room) => `Settings of ${room}`,
  entryShort: { all: 'Open to everybody', accounts: 'For people with an account', ask: 'One asks to be let in', invited: 'Private' },
  archived: 'Archived: it can be read, and nothing is said here any more.', onlyModerators: 'Only moderators write here.',
  roles: { owner: 'owner', moderator: 'moderator' },
  removed: (by, room, why) => `${by} removed you from ${room}${why ? `: ${why}` : ''}.`,
  removedOther: (by, name, why) => `${by} removed ${name}${why ? `: ${why}` : ''}`,
  // conversations
  gone: 'has no account any more', startKept: (name) => `Between you and ${name}.`,
  // reading
  hiddenRooms: (n) => `${n} hidden`, forYou: (n) => (n === 1 ? '1 for you' : `${n} for you`),
  // order
  more: 'More', moreOf: (name) => `More about ${name}`, moreOfMessage: (name) => `More about this message of ${name}`,
  away: 'away', ignored: 'ignored', stub: (n) => (n === 1 ? 'A message of somebody you ignore' : `${n} messages of people you ignore`),
  messageDeleted: 'message removed',
  elsewhere: 'You came back in another tab or window, which has the name now.',
};
