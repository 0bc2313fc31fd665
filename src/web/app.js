// The page of chat-server. No framework, no build step; commands.js comes from the server's own table. What is about accounts
// is in accounts.js, about private rooms in rooms.js, about order in order.js, about kept conversations in conversations.js,
// about what is read in reading.js; dialogs.js and dom.js have what several of them need. Here, in reading order:
//
//   Words        every string that people see, in English and Japanese
//   Helpers      names, times, storage
//   Store        everything the page knows, and the few functions that change it
//   Connection   one WebSocket at a time: backoff, and noticing a dead line
//   Session      the dialect chat.v1.json: joining, resuming, and sending exactly once
//   Commands     what is typed with a slash
//   View         draws the store and turns gestures into actions; knows nothing of the protocol
//
// Whatever another person wrote reaches the page through textContent and nothing else.

import { COMMANDS } from './commands.js';
import { words as accountWords } from './account-words.js';
import { words as peopleWords } from './people-words.js';
import { Accounts } from './accounts.js';
import { Conversations } from './conversations.js';
import { Order } from './order.js';
import { badgeOf, isHidden, isNews, Reading } from './reading.js';
import { ResumeToken } from './resume.js';
import { RoomDialogs } from './rooms.js';
import { $, el, iconOf, isText, LANGUAGE, LANGUAGE_TAG, setHidden, setLabel, setText } from './dom.js';

// ---------------------------------------------------------------- Words

const WORDS = {
  en: {
    brand: 'Chat', skip: 'Skip to the message box', conversations: 'Conversations', rooms: 'Rooms', browse: 'Browse rooms',
    directs: 'Direct messages', join: 'Join', joinHint: 'Join or create a room', members: 'Members',
    help: 'Help', close: 'Close', cancel: 'Cancel', save: 'Save', more: 'Show more', send: 'Send', dismiss: 'Dismiss',
    search: 'Search', searchHint: 'Words, in:#room, from:name, before:2026-11-01', searching: 'Searching…', nothingFound: 'Nothing was found.',
    where: (room, name) => `${room} · ${name}`, foundGone: 'That message is no longer kept.',
    openRooms: 'Open the list of conversations', changeTopic: 'Change the topic', noTopic: 'Add a topic',
    leaveRoom: (room) => `Leave ${room}`, closeDirect: 'Close this conversation',
    offline: 'You are offline. What you send now goes out when the connection is back.',
    retryIn: (s) => `Next try in ${s} s`, retry: 'Try now', connecting: 'Connecting…', reconnecting: 'Reconnecting…',
    messageTo: (who) => `Message ${who}`, typing1: (a) => `${a} is typing…`, typing2: (a, b) => `${a} and ${b} are typing…`,
    typingMany: 'Several people are typing…', today: 'Today', yesterday: 'Yesterday', newMessages: 'New', newRoom: 'New', asking: 'Asking to enter',
    gap: 'Some messages are missing here: there were more than the server keeps',
    restart: 'The server was restarted: what was said meanwhile may be missing, and older messages are only on this screen',
    loading: 'Loading older messages…', latest: 'Latest messages', latestNew: (n) => `${n} new`,
    startRoom: (room) => `This is where ${room} begins.`, firstWord: ' The first word is yours.', startDirect: (name) => `Between you and ${name}. Kept on this screen only.`,
    blankTitle: 'No room yet', blankText: 'Join one, or make a new one and invite someone.',
    cameAndWent: (came, left, renamed) => [came && `${came} came`, left && `${left} left`, renamed && `${renamed} took ${renamed === 1 ? 'another name' : 'other names'}`].filter(Boolean).join(', '),
    joined: (n) => `${n} joined`, left: (n) => `${n} left`, leftWhy: (n, why) => `${n} left (${why})`,
    renamed: (a, b) => `${a} is now ${b}`, topicSet: (n, topic) => `${n} set the topic: ${topic}`, topicCleared: (n) => `${n} cleared the topic`,
    comma: ', ', someone: 'Someone',
    queued: 'Waits for the connection', sending: 'Sending…', unsure: 'This may not have arrived.', failed: (why) => `Not sent: ${why}`,
    again: 'Send again', discard: 'Discard',
    you: 'you', rename: 'Change your name', chooseName: 'Choose your name', nameLabel: 'Your name',
    nameNote: (n) => `Up to ${n} characters. Everyone in your rooms is told.`,
    nameHeld: (wish, now) => `“${wish}” is still in use, perhaps by your own lost connection. You are “${now}” meanwhile; it is tried again.`,
    nameGone: (wish, now) => `The name “${wish}” is taken. You are “${now}”.`,
    topicLabel: (room) => `Topic of ${room}`, topicNote: 'Leave it empty to have none.', topicIs: (room, topic) => `Topic of ${room}: ${topic}`,
    topicNone: (room) => `${room} has no topic.`,
    allRooms: 'All rooms', browseHint: 'Find a room, or name a new one', createRoom: (room) => `Create ${room}`,
    people: (n) => `${n}`, peopleLong: (n) => (n === 1 ? '1 member' : `${n} members`), alreadyIn: 'joined',
    noRooms: 'No rooms yet. Name the first one above.', waitOnline: 'You are offline.',
    moreMembers: (n) => `and ${n} more`, messageMember: (name) => `Message ${name}`, unread: (n) => `${n} unread`,
    unknownCommand: (c) => `There is no command ${c}. /help shows them all; to say a line that begins with /, write //.`,
    terminalOnly: (c) => `${c} works in a terminal only.`,
    usage: (u) => `Write it like this: ${u}`, notHere: 'That works in a room only.', removedFrom: (room, why) => `You are no longer in ${room}${why ? ` (${why})` : ''}.`,
    notIn: (room) => (room ? `You are not in ${room}.` : 'You are in no room.'),
    tooLong: (n) => `That line is ${n} bytes too long.`, bytesLeft: (n) => `${n} bytes left`, tooBig: 'it is too long for the server.',
    showAll: (n) => `Show all ${n} characters`, noMatch: (room) => `No room fits. “Create ${room}” makes one.`,
    refusals: {
      full: 'The server is full. The next tries are made by themselves, and what you send now goes out then.',
      crowded: 'The server takes no more connections from your address: too many are open. The next tries are made by themselves.',
      stopping: 'The server is stopping. The next tries are made by themselves, and what you send now goes out then.',
      origin: `The server lets in no page from ${location.origin}. Its operator can change that: --allow-origin ${location.origin}`,
      banned: 'Your address is banned from this server.',
      mode: 'The server runs in another mode, echo or broadcast, which has no chat for this page. It is tried again now and then.',
      socket: 'The server answers, but no WebSocket gets through to it. Something in between, such as a proxy, may hold it up.',
    },
    keys: [['Enter', 'send'], ['Shift + Enter', 'new line; every line becomes a message of its own'], ['Alt + ↑ ↓', 'previous or next conversation'],
      ['Ctrl + K', 'all rooms'], ['Enter', 'in the log: the menu of a message; ↑ ↓ another one'], ['Esc', 'close, or go to the latest message']],
    commands: {}, // as the server has them
    errors: {},
  },
  ja: {
    brand: 'チャット', skip: '入力欄へ移動', conversations: '会話', rooms: 'ルーム', browse: '一覧',
    directs: 'ダイレクトメッセージ', join: '参加', joinHint: 'ルームに参加・作成', members: 'メンバー',
    help: 'ヘルプ', close: '閉じる', cancel: 'キャンセル', save: '保存', more: 'さらに表示', send: '送信', dismiss: '閉じる',
    search: '検索', searchHint: '言葉、in:#ルーム、from:名前、before:2026-11-01', searching: '検索中…', nothingFound: '見つかりませんでした。',
    where: (room, name) => `${room} · ${name}`, foundGone: 'そのメッセージは保存期間を過ぎました。',
    openRooms: '会話の一覧を開く', changeTopic: 'トピックを変更', noTopic: 'トピックを追加',
    leaveRoom: (room) => `${room} から退出`, closeDirect: 'この会話を閉じる',
    offline: 'オフラインです。送信したメッセージは、再接続後に届けます。',
    retryIn: (s) => `${s} 秒後に再接続`, retry: '今すぐ再接続', connecting: '接続中…', reconnecting: '再接続中…',
    messageTo: (who) => `${who} へのメッセージ`, typing1: (a) => `${a} さんが入力中…`, typing2: (a, b) => `${a} さんと ${b} さんが入力中…`,
    typingMany: '何人かが入力中…', today: '今日', yesterday: '昨日', newMessages: '新着', newRoom: '作成', asking: '参加の申請',
    gap: 'サーバーの保存件数を超えたため、ここで一部のメッセージが抜けています',
    restart: 'サーバーが再起動しました。その間のメッセージは抜けている可能性があり、これより前はこの画面にのみ残っています',
    loading: '過去のメッセージを読み込み中…', latest: '最新のメッセージへ', latestNew: (n) => `新着 ${n} 件`,
    startRoom: (room) => `${room} はここから始まります。`, firstWord: '最初の一言をどうぞ。', startDirect: (name) => `${name} さんとの会話です。この画面にのみ残ります。`,
    blankTitle: 'ルームに参加していません', blankText: 'ルームに参加するか、新しく作って誰かを誘いましょう。',
    cameAndWent: (came, left, renamed) => [came && `${came} 人が参加`, left && `${left} 人が退出`, renamed && `${renamed} 人が名前を変更`].filter(Boolean).join('、'),
    joined: (n) => `${n} さんが参加しました`, left: (n) => `${n} さんが退出しました`, leftWhy: (n, why) => `${n} さんが退出しました（${why}）`,
    renamed: (a, b) => `${a} さんは ${b} に名前を変えました`, topicSet: (n, topic) => `${n} さんがトピックを設定しました：${topic}`, topicCleared: (n) => `${n} さんがトピックを消しました`,
    comma: '、', someone: '誰か',
    queued: '接続を待っています', sending: '送信中…', unsure: '届いていない可能性があります。', failed: (why) => `送信できませんでした：${why}`,
    again: '再送信', discard: '破棄',
    you: '自分', rename: '名前を変更', chooseName: '名前を決めましょう', nameLabel: 'あなたの名前',
    nameNote: (n) => `${n} 文字まで。参加中のルームの全員に通知されます。`,
    nameHeld: (wish, now) => `「${wish}」は、切れた接続がまだ使っているようです。今は「${now}」として、引き続き試します。`,
    nameGone: (wish, now) => `「${wish}」は使われています。今の名前は「${now}」です。`,
    topicLabel: (room) => `${room} のトピック`, topicNote: '空にするとトピックは消えます。', topicIs: (room, topic) => `${room} のトピック：${topic}`,
    topicNone: (room) => `${room} にトピックはありません。`,
    allRooms: 'すべてのルーム', browseHint: '探す、または新しい名前を入力', createRoom: (room) => `${room} を作成`,
    people: (n) => `${n}`, peopleLong: (n) => `${n} 人`, alreadyIn: '参加中',
    noRooms: 'まだルームがありません。上に名前を入力して作りましょう。', waitOnline: 'オフラインです。',
    moreMembers: (n) => `ほか ${n} 人`, messageMember: (name) => `${name} さんにメッセージ`, unread: (n) => `未読 ${n} 件`,
    unknownCommand: (c) => `${c} というコマンドはありません。一覧は /help、/ で始まる文を送るには // と入力します。`,
    terminalOnly: (c) => `${c} はターミナルでだけ使えます。`,
    usage: (u) => `書き方：${u}`, notHere: 'ルームの中でだけ使えます。', removedFrom: (room, why) => `${room} から外れました${why ? `（${why}）` : ''}。`,
    notIn: (room) => (room ? `${room} に参加していません。` : 'ルームに参加していません。'),
    tooLong: (n) => `${n} バイト長すぎる行があります。`, bytesLeft: (n) => `残り ${n} バイト`, tooBig: 'サーバーの上限より長いメッセージです。',
    showAll: (n) => `全 ${n} 文字を表示`, noMatch: (room) => `該当するルームがありません。「${room} を作成」で作れます。`,
    refusals: {
      full: 'サーバーが満員です。自動で再接続し、送信したメッセージはその後に届けます。',
      crowded: 'お使いのアドレスからの接続が多すぎるため、サーバーが受け付けていません。自動で再接続します。',
      stopping: 'サーバーが停止しようとしています。自動で再接続し、送信したメッセージはその後に届けます。',
      origin: `サーバーが ${location.origin} のページからの接続を許可していません。サーバーの管理者に伝えてください：--allow-origin ${location.origin}`,
      banned: 'お使いのアドレスは、このサーバーから締め出されています。',
      mode: 'サーバーがチャット以外のモード（echo または broadcast）で動いているため、このページは使えません。ときどき再接続を試します。',
      socket: 'サーバーは応答していますが、WebSocket でつながりません。途中のプロキシなどが妨げている可能性があります。',
    },
    keys: [['Enter', '送信'], ['Shift + Enter', '改行（1 行が 1 件のメッセージになります）'], ['Alt + ↑ ↓', '前後の会話へ'],
      ['Ctrl + K', 'すべてのルーム'], ['Enter', '会話の欄で：メッセージのメニュー（↑ ↓ で移動）'], ['Esc', '閉じる・最新のメッセージへ']],
    commands: { nick: '名前を変える', join: 'ルームに入る・作る', leave: 'ルームを出る', msg: '一人にだけ送る', me: '動作を伝える',
      topic: 'トピックの表示と設定', search: '過去のメッセージを検索', who: 'メンバーを見る', rooms: 'すべてのルーム', help: 'この説明', '/': '/ で始まる文を送る',
      login: 'ログイン', register: '招待コードでアカウントを作る', logout: 'ログアウト', account: 'アカウントのメニュー', password: 'パスワードを変更',
      sessions: 'ログイン中の場所', token: 'プログラム用のトークン', invite: '人を招待', invitations: '有効な招待', confirm: 'ターミナルをログインさせる',
      reset: 'パスワードの再設定', role: '役割を決める', 'delete-account': 'アカウントを削除' },
    errors: {
      name_taken: 'その名前は使われています。', name_refused: 'その名前は使えません。', room_refused: 'そのルーム名は使えません。',
      no_such_room: 'そのルームはありません。', not_in_room: 'そのルームに参加していません。', no_such_name: 'その名前の人はいません。',
      no_room: 'ルームに参加していません。', too_many_rooms: '参加できるルームの数を超えました。', text_empty: 'メッセージが空です。',
      text_refused: 'そのメッセージは送れません。', server_full: 'サーバーが満員です。',
      search_refused: '検索する言葉が正しくありません。', search_slow: '時間がかかりすぎました。言葉を増やしてください。', search_unavailable: '今は検索できません。',
      not_said: 'ルームを出たため送られませんでした。', busy: '相手がまだ前のメッセージを受け取っていません。あとでもう一度お試しください。',
    },
  },
};
const t = WORDS[LANGUAGE];
const errorWords = (error) => t.errors[error.code] || peopleWords.errors[error.code] || accountWords.errors[error.code] || error.message || error.code || '?';

// ---------------------------------------------------------------- Helpers

const isId = (value) => Number.isSafeInteger(value) && value >= 0;
/** Whether the server has a command, and so what belongs to it. */
const knows = (name) => COMMANDS.some((command) => command.name === name);
/** Milliseconds that a Date can hold, whatever the frame says. */
const timeOf = (value) => (Number.isFinite(value) && Math.abs(value) < 8e15 ? value : Date.now());
const bytesOf = (text) => new TextEncoder().encode(text).length;

/** For everything that is timed: unlike the time of day it is never set. */
const monotonic = () => performance.now();

/**
 * The key that names are compared by: two spellings that the server takes for one name have one key. Step for step what
 * src/chat/name/fold.rs does; tests/page.rs holds the two to each other.
 */
function fold(name) {
  if (/^[\0-\x7f]*$/.test(name)) return name.toLowerCase();
  let key = name.replace(/[\ufe0f\u200c\u200d]/g, '');
  for (let pass = 0; pass < 4; pass++) {
    // JavaScript alone gives a sigma at the end of a word a form of its own.
    const folded = key.toLowerCase().toUpperCase().toLowerCase().replaceAll('ς', 'σ').normalize('NFKC');
    if (folded === key) break;
    key = folded;
  }
  return key;
}

const NAME_UNITS_MAX = 1000; // far more than any name has; the rest of a pasted novel is not worth the work
/** As the server reads a typed name: without white space around it. Then without the mark of a room, and in NFC. */
const trimmed = (name) => name.slice(0, NAME_UNITS_MAX).replace(/^\p{White_Space}+|\p{White_Space}+$/gu, '');
const bareName = (name) => trimmed(name).normalize('NFC');
const bareRoom = (name) => trimmed(name).replace(/^[#＃﹟]/, '').normalize('NFC');
const roomKey = (name) => `#${fold(bareRoom(name))}`;
const directKey = (name) => `@${fold(bareName(name))}`;

/** Sorting a pile of marks into normal form takes time by the square of its height. No name has a pile of more than 64. */
const levelled = (text) => text.replace(/(\p{M}{64})\p{M}+/gu, '$1');
/** What survives a server that strips control characters and tidies spaces; for comparing only. */
const essence = (text) => levelled(text).normalize('NFC').replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();

/** Where near `at` a text is best divided: after a blank, or else so that no character is torn apart. */
function divide(text, at) {
  if (at >= text.length) return text.length;
  const from = Math.max(0, at - 80), blank = text.slice(from, at).lastIndexOf(' ');
  if (blank >= 0) return from + blank + 1;
  const tears = (place) => /^[\udc00-\udfff\u200d\p{M}\p{Emoji_Modifier}]/u.test(text.slice(place, place + 2)) || text[place - 1] === '\u200d';
  for (let place = at; place > from; place--) if (!tears(place)) return place;
  return /[\udc00-\udfff]/.test(text[at]) ? at - 1 : at;
}
const shorten = (text, units) => (text.length > units ? `${text.slice(0, divide(text, units))}…` : text);
function countCharacters(text) {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

const segmenter = Intl.Segmenter && new Intl.Segmenter();
const firstCharacter = (text) => (segmenter ? segmenter.segment(text.slice(0, 64)).containing(0)?.segment : [...text.slice(0, 64)][0]) ?? '?';
function initials(name) {
  const words = name.slice(0, NAME_UNITS_MAX).split(/[\s._-]+/).filter(Boolean);
  const first = firstCharacter(words[0] || '?');
  const second = words[1] && /^[\p{L}\p{N}]/u.test(words[1]) && first.length === 1 ? firstCharacter(words[1]) : '';
  return (first + second).toUpperCase();
}
/** Twenty-four hues, so that two people rarely differ by a shade that nobody can tell. */
function hueOf(name) {
  let hash = 2166136261;
  for (const unit of fold(name)) hash = Math.imul(hash ^ unit.codePointAt(0), 16777619);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d); // short names differ in few bits: spread them
  return ((hash >>> 12) % 24) * 15;
}
/** A right-to-left name inside a sentence must not drag the sentence with it. */
const isolate = (name) => (/[\u0590-\u08ff\ufb1d-\ufefc]/.test(name) ? `\u2068${name}\u2069` : name);

// The hour looks as the browser's first language has it; the names of days follow the language of the page.
const clock = new Intl.DateTimeFormat(LANGUAGE_TAG, { hour: 'numeric', minute: '2-digit' });
const shortDate = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: 'medium', timeStyle: 'short' });
const fullDate = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: 'full', timeStyle: 'medium' });
const longDay = new Intl.DateTimeFormat(LANGUAGE, { weekday: 'long', day: 'numeric', month: 'long' });
const longDayYear = new Intl.DateTimeFormat(LANGUAGE, { day: 'numeric', month: 'long', year: 'numeric' });
const alphabet = new Intl.Collator(LANGUAGE);
function dayWords(time) {
  const date = new Date(time), now = new Date();
  const days = Math.round((new Date(now).setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 864e5);
  if (days === 0) return t.today;
  if (days === 1) return t.yesterday;
  return (date.getFullYear() === now.getFullYear() ? longDay : longDayYear).format(date);
}

/** The tab's own memory first (two tabs may be two people), then what the last tab left behind. */
const MEMORY = 'chat.v1';
function recall() {
  for (const storage of ['sessionStorage', 'localStorage']) {
    try {
      const memory = JSON.parse(window[storage].getItem(MEMORY));
      if (memory && typeof memory === 'object') return memory;
    } catch { /* storage is off, or holds something else: start afresh */ }
  }
  return {};
}
function remember(memory) {
  for (const storage of ['sessionStorage', 'localStorage']) {
    try { window[storage].setItem(MEMORY, JSON.stringify(memory)); } catch { /* private window: nothing is remembered */ }
  }
}

// ---------------------------------------------------------------- Store

const MESSAGES_KEPT = 500; // in one conversation, and so in the DOM
const MESSAGES_KEPT_READING_BACK = 3000; // while someone reads far up, the top must not vanish under their eyes
const MEMBERS_KEPT = 300;
const EVENTS_KEPT = 6; // in one line of the log
const TYPING_SHOWN_MS = 5000;
const NOTICE_UNITS_MAX = 600; // what is quoted in a notice can be as long as a message
const EVENT_UNITS_MAX = 200; // of a topic or last words, in a line of the log

const store = {
  link: 'connecting', // 'connecting' | 'online' | 'offline'
  retryAt: 0, // monotonic
  banned: '', // that this page may not come here, in a sentence
  refusal: '', // why there is no connection, where the server says so: a key of `refusals` among the words
  wasOnline: false,
  name: '', // as the server has it
  wish: '', // as its owner chose it; empty for a guest without a name of its own, and for an account
  account: '', // the name of the account that all this belongs to; empty for a guest
  role: '', // what it may do on this server; empty while this page is nobody's
  ended: '', // the account that this page was until its session ended, until somebody logs in or goes on as a guest
  registration: '', // how one comes to an account on this connection: 'invited' | 'open', or '' where no passwords are taken
  epoch: '',
  limits: {},
  conversations: new Map(), // key -> conversation, in the order of the sidebar
  current: null, // key
  outbox: [], // what was said here and is not known to have arrived; see Session
  notice: null, // { text, error, actions: [[label, act]] }
  ignored: new Set(), // folded names
};

/** The view sets this; everything that changes the store calls it. */
let changed = () => {};

let lastKey = 0;
const nextKey = () => `k${++lastKey}`;

/** A room or a direct conversation; made where there is none yet. */
function conversation(kind, name) {
  const key = kind === 'room' ? roomKey(name) : directKey(name);
  let conv = store.conversations.get(key);
  if (!conv) {
    conv = {
      key,
      kind, // 'room' | 'direct'
      name: kind === 'room' ? `#${bareRoom(name)}` : bareName(name),
      stage: 'out', // 'out' | 'joining' | 'replaying' | 'in': of a room, on this connection
      known: kind === 'direct', // joined at least once: there is something to show
      epoch: '', // the life of the server that lastId and ids belong to
      lastId: null, // the resume position: everything up to it has been received; null before the first join is complete
      position: 0, // the room's last id when it was joined: the replay ends there
      fresh: true, // this replay is a first look at the room, and not what was missed
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
      wanted: false, // asked for by its reader, and not entered yet
      total: 0, // of members, the list of which may be incomplete
      membersAsked: false,
      membersTimer: 0,
      typing: new Map(), // folded name -> { name, until }
      readId: null, // the last id seen by its reader, remembered between visits
      unread: 0,
      mentioned: false,
      firstUnread: null, // the entry that the line "New" stands above
      reading: null, // { read, newest, level }: what the server keeps of it, of an account; see Reading
      mentions: 0, // unread ones, and this with it:
      newFrom: null, // the id from which on it is new
      isHeld: false, // marked as unread by its reader: not read by being looked at
      jumps: false, // to what is new, as soon as it is drawn
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
    store.conversations.set(key, conv);
  }
  return conv;
}
/** The conversation that a frame is about, by its `room` or the name it is `with`. */
const conversationOf = (frame) => store.conversations.get(isText(frame.room) ? roomKey(frame.room) : isText(frame.with) ? directKey(frame.with) : '');
/** Whether what is said to this person is kept: between accounts it is. */
const isKept = (conv) => conv.kept || (store.role !== '' && knows('conversations') && !conv.isGuest && rooms().some((room) => room.accounts.has(fold(conv.name))));
const current = () => store.conversations.get(store.current) || null;
const isMe = (name) => fold(name) === fold(store.name);
const rooms = () => [...store.conversations.values()].filter((conv) => conv.kind === 'room');
/** Those that are kept, newest first, then those of this screen in the order in which they began. */
const directs = () => [...store.conversations.values()].filter((conv) => conv.kind === 'direct').sort((a, b) => b.at - a.at);

/** `actions`: what can be done about it, [label, act]; with any it stays until it is dismissed. */
function notify(text, error = false, actions = []) {
  store.notice = { text: shorten(text, NOTICE_UNITS_MAX), error, actions };
  changed();
}

/** Into its place by id. Events and dividers keep theirs: they have times, but no ids. */
function insertMessage(conv, message) {
  let place = conv.entries.length;
  for (let i = place - 1; i >= 0 && message.id !== undefined; i--) {
    const entry = conv.entries[i];
    if (entry.type !== 'message') continue;
    if (entry.epoch !== message.epoch || entry.id < message.id) break;
    place = i;
  }
  conv.entries.splice(place, 0, message);
}

/** Who came and went is one line, however many they were. */
function addEvent(conv, text, time) {
  const last = conv.entries.at(-1);
  if (last?.type !== 'event') conv.entries.push({ type: 'event', key: nextKey(), time: timeOf(time), texts: [text] });
  else last.texts = [...last.texts, text].slice(-EVENTS_KEPT);
}

function addDivider(conv, type) {
  if (conv.entries.length && conv.entries.at(-1).type !== type) conv.entries.push({ type, key: nextKey() });
}

/** Forgets the oldest entries; those of the server's present life can be loaded again. */
function trim(conv, keep) {
  if (conv.entries.length <= keep) return;
  for (const entry of conv.entries.splice(0, conv.entries.length - keep)) {
    if (entry.type === 'message' && entry.epoch === conv.epoch && conv.ids.delete(entry.id)) conv.older = true;
  }
}

function countUnread(conv, message) {
  if (conv.reading && message.id !== undefined) return reading.count(conv, message, view.isReading(conv));
  if (message.own || view.isReading(conv)) return;
  if (!conv.unread++) conv.firstUnread = message;
  conv.mentioned ||= message.mention;
}

function markRead(conv) {
  if (conv.reading) return;
  conv.unread = 0;
  conv.mentioned = false;
  if (conv.lastId !== null && conv.readId !== conv.lastId) {
    conv.readId = conv.lastId;
    saveMemory();
  }
}

function saveMemory() {
  remember({
    name: store.wish,
    account: store.account,
    rooms: rooms().map(({ name, readId, epoch }) => ({ name, readId, epoch })),
    current: store.current,
  });
}

const SIGNS = /(?<![a-z0-9])[@＠﹫]/gi;
const CALLS_ALL = 20; // members, in a room of more than which only moderators call all

/** As the server finds it, for accounts, for which it counts: `@name` anywhere, the longest that fits, and `name:` at the start. */
function isForMe(conv, author, text) {
  const me = fold(store.name), isMember = (key) => key === me || conv.members.has(key);
  const [, start] = /^([^\s:,：，、]{1,64})[:,：，、]/.exec(text) ?? [];
  if (start && fold(start.normalize('NFC')) === me) return true;
  const maySay = conv.kind === 'room' && (conv.total <= CALLS_ALL || conv.roles.has(fold(author)));
  let places = 32; // as many as the server looks at
  for (const { index, 0: sign } of text.matchAll(SIGNS)) {
    if (places-- === 0) break;
    const [rest] = /^\S{0,64}/.exec(text.slice(index + sign.length));
    for (let end = rest.length; end > 0; end--) {
      if (/[a-z0-9]{2}/i.test(rest.slice(end - 1, end + 1))) continue;
      const key = fold(levelled(rest.slice(0, end)).normalize('NFC'));
      if (key === me || (maySay && (key === 'all' || key === 'here'))) return true;
      if (isMember(key)) break;
    }
  }
  return false;
}

function mentionsMe(text) {
  const name = fold(store.name);
  if (name.length < 2) return false;
  const haystack = fold(levelled(text));
  const isWord = (char) => /[a-z0-9_]/.test(char || ' '); // Japanese has no spaces to look for
  for (let at = haystack.indexOf(name); at >= 0; at = haystack.indexOf(name, at + 1)) {
    if (!(isWord(name[0]) && isWord(haystack[at - 1])) && !(isWord(name.at(-1)) && isWord(haystack[at + name.length]))) return true;
  }
  return false;
}

// ---------------------------------------------------------------- Connection

const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 30_000;
const OPEN_MS = 10_000; // a handshake that takes longer will not succeed
const ANSWER_MS = 15_000; // silence while an answer is due: the line is dead
const QUIET_MS = 45_000; // silence while nothing is due: ask something, to find out
const STABLE_MS = 5_000; // a connection that lived so long starts the backoff over
const CHECK_MS = 5_000;
const TOO_BIG = 1009; // RFC 6455 7.4.1: a message was longer than the server takes
const SUPERSEDED = 4000; // the guest of this page has come back on another connection

/** Keeps one WebSocket open. A browser does not show pings, so a dead line shows by answers that stay away. */
class Connection {
  #socket = null;
  #timer = 0;
  #attempts = 0;
  #openedAt = 0; // this and the following are monotonic; 0: not yet
  #heardAt = 0;
  #askedAt = 0;
  #checked = { at: monotonic(), wall: Date.now() };
  #excused = false;
  #paused = false;

  /** `owner`: url(), onState(state, retryAt), onFrame(object), onTooBig(), onSuperseded(), onNoEntry(), isWaiting(), probe() */
  constructor(owner) {
    this.owner = owner;
    setInterval(() => this.#check(), CHECK_MS);
  }

  open() {
    clearTimeout(this.#timer);
    if (this.#socket || this.#paused) return;
    this.owner.onState('connecting');
    const socket = new WebSocket(this.owner.url(), 'chat.v1.json');
    this.#socket = socket;
    this.#openedAt = 0;
    this.#timer = setTimeout(() => this.drop(), OPEN_MS);
    // A socket that was given up may still speak: whatever it says is no longer heard.
    socket.onopen = () => socket === this.#socket && this.#opened();
    socket.onmessage = (event) => socket === this.#socket && this.#heard(event.data);
    socket.onclose = (event) => socket === this.#socket && this.#lost(event.code);
  }

  send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    if (!this.owner.isWaiting()) this.#askedAt = monotonic();
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  drop() {
    const socket = this.#socket;
    if (!socket) return;
    this.#lost();
    socket.close();
  }

  /**
   * The page is put away: one that stays connected stays in the rooms, and keeps the name. Where it is not kept, the browser
   * closes the connection, and says that it goes away; to close it here would be a goodbye, and a reload is none.
   */
  pause(isKept) {
    this.#paused = true;
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    this.owner.onState('offline');
    if (isKept) socket?.close();
  }

  resume() {
    if (!this.#paused) return;
    this.#paused = false;
    this.#attempts = 0;
    this.open();
  }

  /** The machine woke up, or the network is back: try now, or find out whether the line still lives. */
  nudge() {
    this.resume();
    if (!this.#socket) this.open();
    else if (this.#openedAt && monotonic() - this.#heardAt > 3000) this.owner.probe();
  }

  /** The server has said no, and will for a while: the next try is so far off. */
  putOff(ms) {
    if (this.#socket || this.#paused) return;
    clearTimeout(this.#timer);
    this.#retryIn(ms);
  }

  #opened() {
    clearTimeout(this.#timer);
    this.#openedAt = this.#heardAt = this.#askedAt = monotonic();
  }

  #heard(data) {
    this.#heardAt = monotonic();
    let frame = null;
    try { frame = JSON.parse(data); } catch { /* a frame we cannot read is a frame we can live without */ }
    if (frame && typeof frame === 'object' && isText(frame.type)) this.owner.onFrame(frame);
  }

  #lost(code = 0) {
    clearTimeout(this.#timer);
    const wasOpen = this.#openedAt > 0;
    if (wasOpen && monotonic() - this.#openedAt > STABLE_MS) this.#attempts = 0;
    this.#socket = null;
    if (code === TOO_BIG) this.owner.onTooBig();
    if (code === SUPERSEDED) this.owner.onSuperseded();
    this.#retryIn(Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** this.#attempts++));
    if (!wasOpen) this.owner.onNoEntry();
  }

  #retryIn(ceiling) {
    const wait = ceiling * (0.5 + Math.random() / 2); // jitter: a thousand pages must not come back at once
    this.#timer = setTimeout(() => this.open(), wait);
    this.owner.onState('offline', monotonic() + wait);
  }

  #check() {
    const isLate = this.#isLate();
    if (!this.#openedAt || !this.#socket) return;
    if (isLate) {
      this.#askedAt = monotonic();
      return this.owner.probe();
    }
    if (this.owner.isWaiting()) {
      if (monotonic() - Math.max(this.#heardAt, this.#askedAt) > ANSWER_MS) this.drop();
    } else if (monotonic() - this.#heardAt > QUIET_MS) this.owner.probe();
  }

  /**
   * The machine slept, or the page did: what came in meanwhile may not have been read yet, so nobody is judged by this
   * check. Some clocks stand still in a sleep, the time of day goes on. Timers of a page in the background are always
   * late, which is why no two checks in a row are excused.
   */
  #isLate() {
    const at = monotonic(), wall = Date.now();
    const late = Math.max(at - this.#checked.at, wall - this.#checked.wall) > 3 * CHECK_MS;
    this.#checked = { at, wall };
    this.#excused = late && !this.#excused;
    return this.#excused;
  }
}

// ---------------------------------------------------------------- Session

const REPLAY = 50; // messages asked for on entering a room
const PAGE = 50; // and on scrolling up
const IN_FLIGHT_MAX = 16; // fewer unanswered messages, fewer doubts when the line breaks
const TRIES_MAX = 4; // a message that breaks the line every time must not do so for ever
const REPLAY_MS = 8000; // a replay that stays incomplete for so long is over
const TYPING_EVERY_MS = 3000;
const PUT_OFF_MS = 120_000; // between tries where the server will not change its mind by itself
const ADMISSION_MS = 10_000;
const MEMBERS_EVERY_MS = 3000; // between lists of members, where not all that matters of them is announced
const BIG_ROOM = 100; // members, above which the server stops announcing who comes and goes
const NAME_RETRY_S = [1, 2, 4, 8, 15, 30, 30];

/**
 * Sending exactly once. What is said goes into the outbox and stays there until the server's own copy of it arrives:
 *
 *   queued   not sent on any connection that could still deliver it
 *   sent     written to the present connection, no answer yet
 *   unsure   written to a connection that broke before the answer came
 *   failed   refused by the server; its author decides
 *
 * After a reconnect an `unsure` message is neither repeated nor given up at once. The join with `since` replays all that was
 * said in the room since the last id seen here, so if the message was taken it comes by, in order, under the name it was sent
 * as: that settles it. If the replay passes without it, it was not taken *yet*. It never will be once the old connection is
 * gone, and the server proves that by giving us the same name again, for no two clients hold one name. Then it is queued anew.
 * Three cases cannot be known, and are left to the author with "Send again": the name did not come back, the history
 * no longer reaches far enough (gap), and direct messages, which have no history. After a restart of the server
 * (another epoch) whatever the old one had not answered is sent to the new one.
 *
 * Each message has a key of its own, under which the server says it once, however often it is sent: what is sent again
 * although it had arrived is answered with what it has become.
 */
class Session {
  #connection;
  #requests = new Map(); // ref -> { done, fail, cut }
  #lastRef = 0;
  #nameTimer = 0;
  #typedAt = -Infinity; // monotonic
  #inquiry = 0;
  #admissions = 0; // in a row, without a connection
  #left = new Set(); // keys of rooms that an account has left while there was no connection to say so
  #isQuitting = false; // this page asked to be a guest again
  #token = new ResumeToken();

  constructor() {
    this.#connection = new Connection({
      url: () => this.#url(),
      onState: (state, retryAt) => this.#onState(state, retryAt),
      onFrame: (frame) => this.#onFrame(frame),
      onTooBig: () => this.#onTooBig(),
      onSuperseded: () => this.#onSuperseded(),
      onNoEntry: () => this.#inquire(),
      isWaiting: () => this.#requests.size > 0,
      probe: () => this.request({ type: 'rooms', limit: 1 }),
    });
  }

  start() { this.#connection.open(); }
  nudge() { this.#connection.nudge(); }
  pause(isKept) { this.#connection.pause(isKept); }
  resume() { this.#connection.resume(); }

  // -- actions: what a person can do

  say(conv, text, kind = conv.kind === 'room' ? 'say' : 'msg') {
    store.outbox.push({ key: nextKey(), sendKey: newSendKey(), ref: '', kind, conv: conv.key, text, time: Date.now(), state: 'queued', as: '', tries: 0, error: '' });
    conv.firstUnread = null;
    conv.passage = null; // what was said is to be seen
    this.#typedAt = -Infinity; // what was said ended the "is typing" of others: the next keystroke is news again
    this.#flush();
    changed();
  }

  sendAgain(item) {
    Object.assign(item, { state: 'queued', tries: 0, time: Date.now() });
    store.outbox.push(...store.outbox.splice(store.outbox.indexOf(item), 1));
    this.#flush();
    changed();
  }

  discard(item) {
    store.outbox = store.outbox.filter((other) => other !== item);
    changed();
  }

  /** Shows a room, entering it first where need be. Offline it is entered as soon as there is a line. */
  join(name, code = '') {
    if (!bareRoom(name)) return;
    const conv = conversation('room', name);
    conv.wanted = true;
    this.#left.delete(conv.key);
    this.show(conv);
    if (conv.stage === 'out') this.#join(conv, code);
  }

  /** Of an account that has just begun: the room into which its invitation has brought it. */
  showNew(names) {
    const room = (Array.isArray(names) ? names : []).find((name) => isText(name) && !store.conversations.has(roomKey(name)));
    if (room) this.join(room);
  }

  message(name) { this.show(conversation('direct', name)); }

  show(conv) {
    const previous = current();
    store.current = conv ? conv.key : null;
    if (previous && previous !== conv) {
      Object.assign(previous, { firstUnread: null, passage: null, sought: null });
      reading.closed(previous);
      trim(previous, MESSAGES_KEPT);
    }
    if (conv && conv !== previous) {
      conv.jumps = true;
      reading.opened(conv);
    }
    if (conv) this.refreshMembers(conv);
    if (conv?.kind === 'direct') conversations.open(conv);
    saveMemory();
    changed();
  }

  leave(conv) {
    if (conv.kind === 'room' && conv.stage !== 'out') return this.request({ type: 'leave', room: conv.name });
    if ((store.account || this.#token.value) && conv.known && conv.kind === 'room') this.#left.add(conv.key);
    this.#forget(conv);
  }

  /** Resolves to the error, or to null. */
  rename(name) {
    clearTimeout(this.#nameTimer);
    return new Promise((resolve) => {
      const settled = (frame) => {
        if (!store.role) store.wish = isText(frame.to) ? frame.to : name;
        saveMemory();
        resolve(null);
      };
      const cut = () => {
        // Under which name the old connection went on is not known, so its messages cannot be recognised.
        for (const item of store.outbox) if (item.state === 'sent') item.lost = true;
        resolve({ message: t.waitOnline });
      };
      if (name === store.name) settled({});
      else if (!this.request({ type: 'nick', name }, settled, resolve, cut)) cut();
    });
  }

  setTopic(conv, text) { this.request({ type: 'topic', room: conv.name, text }); }

  loadOlder(conv) {
    if (conv.passage) return this.#extend(conv, 'older');
    if (!conv.older || conv.loadingOlder || conv.stage !== 'in') return;
    const first = conv.entries.find((entry) => entry.type === 'message');
    if (first && first.epoch !== conv.epoch) return; // what is on top is from before a restart: there is nothing older
    const request = { type: 'history', ...addressOf(conv), limit: PAGE };
    if (first) request.before = first.id;
    const settle = () => { conv.loadingOlder = false; changed(); };
    conv.loadingOlder = this.request(request, (frame) => {
      if (!Array.isArray(frame.messages)) return settle();
      const before = conv.entries.length;
      for (const message of frame.messages) this.#take(conv, message, 'older');
      conv.older = frame.more === true && conv.entries.length > before; // nothing new: asking again would bring the same
      settle();
    }, () => { conv.older = false; settle(); });
    changed();
  }

  /**
   * Goes to a message that was found: its room is entered where need be. What was said around it is a *passage*, which the log
   * shows instead of the newest messages, and which grows at both ends as it is scrolled, until it meets them.
   */
  reach(kind, name, id) {
    if (kind === 'room') this.join(name);
    else this.message(name);
    const conv = current();
    conv.sought = id;
    this.#seek(conv);
  }

  #seek(conv) {
    const id = conv.sought;
    if (id === null || conv.stage !== 'in') return;
    conv.sought = null;
    conv.passage = null;
    if (conv.ids.has(id)) return view.mark(conv, id);
    const passage = { entries: [], older: true, newer: true, loading: false };
    const fail = (error) => notify(errorWords(error), true);
    this.#history(conv, { before: id + 1 }, (messages, more) => {
      passage.entries = messages;
      passage.older = more;
      if (messages.at(-1)?.id !== id) return notify(t.foundGone, true);
      conv.passage = passage;
      view.mark(conv, id);
      this.#extend(conv, 'newer');
    }, fail);
  }

  /** A page of a room's history, as messages. */
  #history(conv, from, done, fail = () => {}) {
    return this.request({ type: 'history', ...addressOf(conv), limit: PAGE, ...from }, (frame) => {
      const list = Array.isArray(frame.messages) ? frame.messages : [];
      done(list.filter(isMessage).map((raw) => messageOf(conv, raw, raw.ignored !== true && isMe(raw.name))), frame.more === true);
      changed();
    }, fail);
  }

  loadNewer(conv) { this.#extend(conv, 'newer'); }

  /** The passage grows; where it meets the newest messages it becomes a part of them. */
  #extend(conv, way) {
    const { passage } = conv;
    if (!passage || passage.loading || !passage[way] || conv.stage !== 'in') return;
    const from = way === 'older' ? { before: passage.entries[0].id } : { after: passage.entries.at(-1).id };
    const settle = () => { passage.loading = false; changed(); };
    passage.loading = this.#history(conv, from, (messages, more) => {
      passage.entries = way === 'older' ? [...messages, ...passage.entries] : [...passage.entries, ...messages];
      passage[way] = more && messages.length > 0;
      settle();
      if (conv.passage === passage) this.#joinPassage(conv);
    }, () => { passage[way] = false; settle(); });
    changed();
  }

  #joinPassage(conv) {
    const { passage } = conv, first = conv.entries.find((entry) => entry.type === 'message' && entry.epoch === conv.epoch);
    const last = passage.entries.at(-1).id;
    if (first ? last + 1 < first.id : passage.newer) return;
    for (const message of passage.entries) {
      if (conv.ids.has(message.id)) continue;
      conv.ids.add(message.id);
      insertMessage(conv, message);
    }
    conv.older = passage.older;
    conv.passage = null;
    changed();
  }

  search(text, before, done, fail) {
    const cut = () => fail({ message: t.waitOnline });
    if (!this.request({ type: 'search', text, ...(before === undefined ? {} : { before }) }, done, fail, cut)) cut();
  }

  /** Members are asked for when a room is first looked at: coming back to forty rooms must not cost forty lists. */
  askMembers(conv) {
    if (conv.kind !== 'room' || conv.stage === 'out' || conv.stage === 'joining' || conv.membersAsked) return;
    conv.membersAsked = true;
    const page = (after) => this.request({ type: 'who', room: conv.name, limit: 100, ...(after === undefined ? {} : { after }) }, (frame) => {
      if (!Array.isArray(frame.members)) return;
      if (after === undefined) conv.members.clear();
      for (const name of frame.members.filter(isText)) conv.members.set(fold(name), name);
      if (after === undefined) conv.roles.clear();
      for (const [name, role] of Object.entries(frame.roles ?? {})) conv.roles.set(fold(name), role);
      for (const [set, names] of [[conv.accounts, frame.accounts], [conv.away, frame.offline]]) {
        if (after === undefined) set.clear();
        if (Array.isArray(names)) for (const name of names.filter(isText)) set.add(fold(name));
      }
      if (isId(frame.total)) conv.total = frame.total;
      if (frame.next !== undefined && frame.next !== null && conv.members.size < MEMBERS_KEPT) page(frame.next);
      changed();
    });
    page();
  }

  /**
   * In a big room nobody announces who comes and goes, and nowhere whether an account has a device connected, so the list is
   * asked for again whenever it is shown.
   */
  refreshMembers(conv) {
    if (conv.total > BIG_ROOM || conv.accounts.size > 0) conv.membersAsked = false;
    this.askMembers(conv);
  }

  listRooms(after, done, fail) {
    const cut = () => fail({ message: t.waitOnline });
    if (!this.request({ type: 'rooms', limit: 50, ...(after === undefined ? {} : { after }) }, done, fail, cut)) cut();
  }

  /** Whether there is a room of this name, with members or without: `done` gets the server's spelling of it, or null. */
  findRoom(name, done) {
    const none = () => done(null);
    if (!this.request({ type: 'who', room: `#${bareRoom(name)}`, limit: 1 }, (frame) => done(isText(frame.room) ? frame.room : null), none, none)) none();
  }

  typing(conv) {
    const now = monotonic();
    if (conv.kind !== 'room' || conv.stage !== 'in' || now - this.#typedAt < TYPING_EVERY_MS) return;
    if (this.#connection.send({ type: 'typing', room: conv.name })) this.#typedAt = now;
  }

  /** Sends a frame with a ref. `done` gets the answer, `fail` the error (by default the person does); `cut` hears that the line broke. */
  request(frame, done = () => {}, fail = (error) => notify(errorWords(error), true), cut = () => {}) {
    const ref = refOf(++this.#lastRef), over = this.excess(frame);
    if (over > 0) {
      queueMicrotask(() => fail({ message: t.tooLong(over) }));
      return ref;
    }
    if (!this.#connection.send({ ...frame, ref })) return false;
    this.#requests.set(ref, { done, fail, cut });
    return ref;
  }

  /** As a promise, which is rejected with the error. */
  ask(frame) {
    return new Promise((resolve, reject) => {
      const cut = () => reject({ message: accountWords.offline });
      if (!this.request(frame, resolve, reject, cut)) cut();
    });
  }

  /** Asks for what makes this page a guest's again. */
  async quit(frame) {
    this.#isQuitting = true;
    try {
      return await this.ask(frame);
    } catch (error) {
      this.#isQuitting = false;
      throw error;
    }
  }

  /** By how many bytes a frame is over the server's limit; below zero: how many are left. The server counts all of it. */
  excess(frame) {
    return bytesOf(JSON.stringify({ ...frame, ref: refOf(0) })) - (store.limits.message_bytes || Infinity);
  }

  // -- the line comes and goes

  #url() {
    const url = new URL('.', location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const name = store.account ? '' : store.wish || store.name; // a guest would like to stay the same guest
    const fields = { ...(name && { name }), ...(!store.account && { resume: this.#token.value }) };
    url.search = Object.entries(fields).map(([field, value]) => `${field}=${encodeURIComponent(value)}`).join('&');
    return url.href;
  }

  #onState(state, retryAt = 0) {
    store.link = state;
    store.retryAt = retryAt;
    if (state === 'offline') this.#cutOff();
    changed();
  }

  /** One of the messages in flight was longer than the server takes, most likely the longest: it must not break the line again. */
  #onTooBig() {
    const longest = store.outbox.filter((item) => item.state === 'sent').reduce((most, item) => (!most || bytesOf(item.text) > bytesOf(most.text) ? item : most), null);
    if (longest) Object.assign(longest, { state: 'failed', error: t.tooBig });
  }

  /** Another tab has the name now: this one is somebody new. */
  #onSuperseded() {
    this.#token.value = '';
    Object.assign(store, { wish: '', name: '' });
    notify(peopleWords.elsewhere, true);
  }

  /** Browsers do not tell a page why its WebSocket was refused, so the page asks. */
  async #inquire() {
    const inquiry = ++this.#inquiry;
    const answer = await askAdmission();
    if (inquiry !== this.#inquiry || store.link === 'online') return;
    this.#admissions = answer === 'admitted' ? this.#admissions + 1 : 0;
    // Once is chance: the server may have come back in between.
    store.refusal = answer === 'admitted' ? (this.#admissions > 1 ? 'socket' : '') : answer;
    if (['origin', 'mode', 'banned'].includes(answer)) this.#connection.putOff(PUT_OFF_MS);
    changed();
  }

  #cutOff() {
    clearTimeout(this.#nameTimer);
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    for (const request of requests) request.cut();
    this.#typedAt = -Infinity;
    for (const item of store.outbox) if (item.state === 'sent') item.state = 'unsure';
    for (const conv of store.conversations.values()) {
      Object.assign(conv, { stage: 'out', loadingOlder: false, membersAsked: false });
      if (conv.passage) conv.passage.loading = false;
      conv.typing.clear();
    }
  }

  #onFrame(frame) {
    const request = frame.ref === undefined ? undefined : this.#requests.get(frame.ref);
    if (request) this.#requests.delete(frame.ref);
    try {
      if (frame.type === 'error') {
        if (request) request.fail(frame);
        else if (frame.code === 'session_ended') this.#onSessionEnded(frame);
        else if (frame.code === 'banned') this.#onBanned(frame);
        else notify(errorWords(frame), true);
      } else {
        request?.done(frame);
        if (Object.hasOwn(this.#handlers, frame.type)) this.#handlers[frame.type](frame);
      }
    } catch (error) {
      console.error('chat: a frame was not understood', error);
    }
    changed();
  }

  #handlers = {
    welcome: (frame) => this.#onWelcome(frame),
    said: (frame) => this.#onSaid(frame),
    history: (frame) => this.#onHistory(frame),
    joined: (frame) => this.#onJoined(frame),
    presence: (frame) => this.#onPresence(frame),
    left: (frame) => this.#onLeft(frame),
    renamed: (frame) => this.#onRenamed(frame),
    topic: (frame) => this.#onTopic(frame),
    direct: (frame) => this.#onDirect(frame),
    typing: (frame) => this.#onTyping(frame),
    account: (frame) => this.#onAccount(frame),
    room: (frame) => this.#onRoom(frame),
    asked: (frame) => this.#onAsked(frame),
    invited: (frame) => roomDialogs.invited(frame),
    refused: (frame) => roomDialogs.refused(frame),
    role: (frame) => this.#onRole(frame),
    muted: (frame) => this.#onMuted(frame, peopleWords.muted),
    unmuted: (frame) => this.#onMuted(frame, peopleWords.unmuted),
    read: (frame) => reading.onRead(frame),
  };

  /** The conversation a frame is about, if we are in it: frames about a room just left can still arrive. */
  #roomOf(frame) { return isText(frame.room) ? store.conversations.get(roomKey(frame.room)) : undefined; }

  #onWelcome(frame) {
    if (!isText(frame.name) || !isText(frame.epoch)) return;
    this.#inquiry++;
    this.#admissions = 0;
    Object.assign(store, { refusal: '', banned: '' });
    const restarted = store.epoch !== '' && store.epoch !== frame.epoch;
    const wish = store.wish || store.name;
    Object.assign(store, { link: 'online', wasOnline: true, epoch: frame.epoch, limits: { ...frame.limits } });
    store.registration = isText(frame.accounts) ? frame.accounts : '';
    this.#token.value = isText(frame.resume) ? frame.resume : '';
    const isSomebody = this.#identify(frame);
    accounts.welcomed();
    if (restarted) for (const item of store.outbox) if (item.state === 'unsure') item.state = 'queued';
    // An account's rooms are told by themselves, and which they are.
    if (isSomebody) return this.#beSomebody();
    if (store.ended) return;
    if (wish && fold(wish) !== fold(frame.name)) this.#claimName(wish);
    const first = current();
    for (const conv of rooms().sort((a, b) => (b === first) - (a === first))) this.#join(conv);
    this.#flush();
  }

  #beSomebody() {
    this.request({ type: 'account' });
    this.#learnOwn();
  }

  /** What the server keeps for this account alone. */
  #learnOwn() {
    if (knows('conversations')) conversations.list();
    else if (knows('unread')) reading.ask();
    if (knows('ignore')) order.learnIgnored();
  }

  /** The name may be held by our own lost connection, which the server has not yet noticed: ask again, ever more rarely. */
  #claimName(wish, attempt = 0) {
    const quiet = !store.wish; // a guest never asked for a name and need not hear about it
    this.request({ type: 'nick', name: wish }, () => {}, (error) => {
      if (store.account) return;
      if (error.code === 'name_taken' && attempt < NAME_RETRY_S.length) {
        if (attempt === 2 && !quiet) notify(t.nameHeld(wish, store.name));
        this.#nameTimer = setTimeout(() => this.#claimName(wish, attempt + 1), NAME_RETRY_S[attempt] * 1000);
        return;
      }
      if (error.code !== 'name_taken') store.wish = '';
      if (!quiet) notify(error.code === 'name_taken' ? t.nameGone(wish, store.name) : errorWords(error), true);
    });
  }

  // -- accounts

  /** Who this page is now, by a frame with a name and perhaps a role. Returns whether that is an account. */
  #identify({ name, role }) {
    const before = store.account;
    store.name = name;
    store.role = isText(role) ? role : '';
    if (!store.role) {
      if (before) this.#endAccount(before);
      return false;
    }
    clearTimeout(this.#nameTimer);
    if (before && fold(before) !== fold(name)) this.#clear(); // what is here is somebody else's
    Object.assign(store, { account: name, wish: '', ended: '' });
    accounts.identified();
    saveMemory();
    return true;
  }

  /** As an answer it has the account's rooms as well: where somebody left or joined elsewhere, this page follows. */
  #onAccount(frame) {
    if (!isText(frame.name)) return;
    const before = store.account;
    if (!this.#identify(frame)) return;
    if (!before) this.#learnOwn();
    for (const conv of rooms()) conv.membersAsked = false;
    const theirs = new Set(Array.isArray(frame.rooms) ? frame.rooms.filter(isText).map(roomKey) : []);
    for (const conv of frame.ref === undefined ? [] : rooms()) {
      if (conv.stage !== 'out' || theirs.has(conv.key)) continue;
      if (before && !conv.wanted) this.#forget(conv);
      else this.#join(conv);
    }
    if (!store.current) this.show(rooms()[0] ?? null);
    const conv = current();
    if (conv) this.askMembers(conv);
    this.#settleUnsure();
    this.#flush();
  }

  /** Nothing is joined or said by the guest that this page is now, until its reader has decided. */
  #endAccount(name) {
    if (this.#isQuitting) {
      accounts.forget();
      return this.goOnAsGuest();
    }
    if (store.ended) return;
    store.ended = name;
    for (const conv of store.conversations.values()) conv.stage = 'out';
    for (const item of store.outbox) if (item.state === 'sent') item.state = 'unsure';
    accounts.ended();
  }

  /** This browser showed a cookie that is nobody's. Where this page was an account's, more is told of it. */
  #onSessionEnded(error) {
    if (store.account) return;
    accounts.forget();
    notify(accountWords.errors[error.code] ?? errorWords(error), true);
  }

  goOnAsGuest() {
    this.#isQuitting = false;
    this.#clear();
    Object.assign(store, { account: '', ended: '', wish: '' });
    this.join(FIRST_ROOM);
  }

  #clear() {
    store.conversations.clear();
    Object.assign(store, { outbox: [], current: null, notice: null, ignored: new Set() });
    this.#left.clear();
    reading.forget();
    view.forget();
  }

  reconnect() { this.#connection.drop(); }

  // -- rooms

  #join(conv, code = '') {
    const frame = { type: 'join', room: conv.name, ...(code && { code }) };
    if (conv.lastId === null) frame.replay = REPLAY;
    else Object.assign(frame, { since: conv.lastId, epoch: conv.epoch });
    const refused = (error) => {
      if (error.code === 'login_required') {
        conv.stage = 'out';
        return accounts.loginRequired();
      }
      notify(`${conv.name}: ${errorWords(error)}`, true);
      if (conv.entries.length === 0 || GONE.has(error.code)) this.#forget(conv);
      else conv.stage = 'out';
    };
    const entered = ({ type, room }) => {
      // Its moderators have been asked: it is entered when they say yes.
      if (type === 'asked') return this.#forget(conv);
      // The server may know the room by another spelling than the one we asked for.
      if (isText(room)) this.#rekey(conv, roomKey(room), room);
    };
    if (this.request(frame, entered, refused)) conv.stage = 'joining';
  }

  #onJoined(frame) {
    if (!isText(frame.room) || !isText(frame.name)) return;
    const conv = frame.you === true ? conversation('room', frame.room) : this.#roomOf(frame);
    if (!conv) return;
    if (frame.you !== true) {
      if (conv.membersAsked) conv.members.set(fold(frame.name), frame.name);
      conv.total++;
      this.#checkMembers(conv);
      return addEvent(conv, t.joined(isolate(frame.name)), frame.time);
    }
    if (this.#left.delete(conv.key)) {
      this.request({ type: 'leave', room: conv.name });
      return this.#forget(conv);
    }
    conv.topic = isText(frame.topic) ? frame.topic : '';
    conv.total = isId(frame.members) ? frame.members : 0;
    conv.entry = isText(frame.entry) ? frame.entry : '';
    conv.role = isText(frame.role) ? frame.role : '';
    if (store.role) reading.learn(conv, { ...frame, last: frame.position });
    // An account's room that this page has not asked for: what was said there, it asks for now.
    if (frame.ref === undefined) return conv.stage === 'out' && this.#join(conv);
    conv.wanted = false;
    this.#beginReplay(conv, frame);
    if (conv === current()) this.askMembers(conv);
    saveMemory();
  }

  #beginReplay(conv, { gap, position }) {
    const fresh = conv.lastId === null;
    conv.fresh = fresh;
    if (!fresh && conv.epoch !== store.epoch) {
      // Ids start over. What is on the screen stays, under a divider, and can no longer be asked for.
      addDivider(conv, 'restart');
      Object.assign(conv, { lastId: null, readId: 0, ids: new Set(), older: false, passage: null });
    } else if (gap === true && !fresh) {
      addDivider(conv, 'gap');
      for (const item of store.outbox) if (item.conv === conv.key && item.state === 'unsure') item.lost = true;
    }
    if (fresh) {
      if (conv.epoch !== store.epoch) conv.readId = null; // remembered from another life of the server
      conv.older = position > 0;
    }
    Object.assign(conv, { epoch: store.epoch, stage: 'replaying', known: true, position: isId(position) ? position : 0 });
    if (conv.position <= (conv.lastId ?? 0)) return this.#endReplay(conv);
    const join = ++conv.joins;
    setTimeout(() => conv.joins === join && conv.stage === 'replaying' && this.#endReplay(conv), REPLAY_MS);
  }

  /** From here on nothing that was missed is still to come, so what is unsure can be judged and what waits can go. */
  #endReplay(conv) {
    conv.stage = 'in';
    conv.lastId = Math.max(conv.lastId ?? 0, conv.position);
    this.#settleUnsure();
    this.#flush();
    this.#seek(conv);
  }

  #onHistory(frame) {
    const conv = this.#roomOf(frame);
    if (!conv || frame.replay !== true || !Array.isArray(frame.messages)) return;
    for (const message of frame.messages) this.#take(conv, message, 'replay');
    if (conv.stage === 'replaying' && (conv.lastId ?? 0) >= conv.position) this.#endReplay(conv);
  }

  #onLeft(frame) {
    const conv = this.#roomOf(frame);
    if (!conv || !isText(frame.name)) return;
    const why = isText(frame.reason) ? shorten(frame.reason, EVENT_UNITS_MAX) : '', by = isText(frame.by) ? isolate(frame.by) : '';
    if (frame.you === true) {
      if (frame.ref === undefined) notify(by ? peopleWords.removed(by, conv.name, why) : t.removedFrom(conv.name, why), Boolean(by));
      return this.#forget(conv);
    }
    for (const them of [conv.members, conv.accounts, conv.away]) them.delete(fold(frame.name));
    conv.typing.delete(fold(frame.name));
    conv.total = Math.max(0, conv.total - 1);
    const name = isolate(frame.name);
    addEvent(conv, by ? peopleWords.removedOther(by, name, why) : why ? t.leftWhy(name, why) : t.left(name), frame.time);
  }

  /** Some came and went and were not announced one by one. The list is asked for again if it is shown, and when it is next. */
  #onPresence(frame) {
    const conv = this.#roomOf(frame);
    if (!conv) return;
    if (isId(frame.members)) conv.total = frame.members;
    const counts = [frame.joined, frame.left, frame.renamed].map((count) => (isId(count) ? count : 0));
    addEvent(conv, t.cameAndWent(...counts), frame.time);
    conv.membersAsked = false;
    this.#askMembersSoon(conv);
  }

  /** Who has come, or has another name, may be an account: nobody says so. */
  #checkMembers(conv) {
    if (store.registration || store.role || conv.accounts.size > 0) this.#askMembersSoon(conv);
  }

  #askMembersSoon(conv) {
    conv.membersTimer ||= setTimeout(() => {
      conv.membersTimer = 0;
      conv.membersAsked = false;
      if (conv === current()) this.askMembers(conv);
    }, MEMBERS_EVERY_MS);
  }

  #forget(conv) {
    const keys = [...store.conversations.keys()], at = keys.indexOf(conv.key);
    store.conversations.delete(conv.key);
    store.outbox = store.outbox.filter((item) => item.conv !== conv.key);
    if (store.current === conv.key) this.show(store.conversations.get(keys[at + 1] ?? keys[at - 1]) || null);
    saveMemory();
    changed();
  }

  #onRenamed(frame) {
    if (!isText(frame.from) || !isText(frame.to)) return;
    if (frame.you === true) return this.#onOwnName(frame);
    const conv = this.#roomOf(frame);
    if (conv) {
      this.#swapMember(conv, frame.from, frame.to);
      this.#checkMembers(conv);
      addEvent(conv, t.renamed(isolate(frame.from), isolate(frame.to)), frame.time);
    }
    if (store.ignored.delete(fold(frame.from))) store.ignored.add(fold(frame.to));
    const direct = store.conversations.get(directKey(frame.from)), key = directKey(frame.to);
    if (direct && (direct.key === key || !store.conversations.has(key))) this.#rekey(direct, key, frame.to);
  }

  #onOwnName({ from, to, time }) {
    if (store.name === to) return;
    store.name = to;
    if (store.role) store.account = to;
    saveMemory();
    for (const conv of rooms()) {
      if (conv.stage === 'out' || conv.stage === 'joining') continue;
      this.#swapMember(conv, from, to);
      addEvent(conv, t.renamed(isolate(from), isolate(to)), time);
    }
    this.#settleUnsure();
    this.#flush();
  }

  #swapMember(conv, from, to) {
    for (const them of [conv.members, conv.asking]) if (them.delete(fold(from))) them.set(fold(to), to);
    const role = conv.roles.get(fold(from));
    if (role && conv.roles.delete(fold(from))) conv.roles.set(fold(to), role);
    for (const them of [conv.accounts, conv.away]) if (them.delete(fold(from))) them.add(fold(to));
    conv.typing.delete(fold(from));
  }

  /** A conversation under another name keeps its place in the sidebar. */
  #rekey(conv, key, name) {
    conv.name = name;
    if (key === conv.key) return;
    const wasCurrent = store.current === conv.key;
    for (const item of store.outbox) if (item.conv === conv.key) item.conv = key;
    store.conversations.delete(key);
    store.conversations = new Map([...store.conversations].map(([old, other]) => (other === conv ? [key, conv] : [old, other])));
    conv.key = key;
    if (wasCurrent) store.current = key;
  }

  #onTopic(frame) {
    const conv = this.#roomOf(frame);
    if (!conv || !isText(frame.topic)) return;
    const news = frame.topic !== conv.topic;
    conv.topic = frame.topic;
    if (!news) return;
    const name = isText(frame.name) ? isolate(frame.name) : t.someone;
    addEvent(conv, frame.topic ? t.topicSet(name, shorten(frame.topic, EVENT_UNITS_MAX)) : t.topicCleared(name), frame.time);
  }

  #onTyping(frame) {
    const conv = this.#roomOf(frame);
    if (!conv || !isText(frame.name) || isMe(frame.name)) return;
    conv.typing.set(fold(frame.name), { name: frame.name, until: monotonic() + TYPING_SHOWN_MS });
    setTimeout(changed, TYPING_SHOWN_MS + 50);
  }

  /** A room has another name, or other rules: what is other is told in its log. */
  #onRoom(frame) {
    const conv = isText(frame.from) ? store.conversations.get(roomKey(frame.from)) : this.#roomOf(frame);
    if (!conv || !isText(frame.room)) return;
    const by = isText(frame.by) ? isolate(frame.by) : '', before = conv.settings;
    if (isText(frame.from)) {
      this.#rekey(conv, roomKey(frame.room), frame.room);
      saveMemory();
    }
    conv.settings = frame;
    conv.entry = isText(frame.entry) && frame.entry !== 'all' ? frame.entry : '';
    // The same event goes to all: only an answer has one's own role.
    if (isText(frame.role)) conv.role = frame.role;
    if (by) {
      for (const text of roomDialogs.changes(before, frame, by)) addEvent(conv, text, frame.time);
      conv.membersAsked = false;
      this.#askMembersSoon(conv);
    }
  }

  #onRole(frame) {
    const conv = this.#roomOf(frame);
    if (!conv || !isText(frame.name) || !isText(frame.role)) return;
    const role = frame.role === 'member' ? '' : frame.role;
    if (isMe(frame.name)) conv.role = role;
    if (role) conv.roles.set(fold(frame.name), role);
    else conv.roles.delete(fold(frame.name));
    const by = isText(frame.by) ? isolate(frame.by) : t.someone;
    addEvent(conv, peopleWords.roleGiven(by, isolate(frame.name), peopleWords.roleNames[frame.role] ?? frame.role), frame.time);
  }

  #onMuted(frame, sentence) {
    const conv = this.#roomOf(frame);
    if (!conv || !isText(frame.name) || !isText(frame.by)) return;
    const why = isText(frame.reason) ? shorten(frame.reason, EVENT_UNITS_MAX) : '';
    addEvent(conv, sentence(isolate(frame.by), isolate(frame.name), why), frame.time);
  }

  /** To a moderator: somebody asks to be let in. The answer to one's own asking comes without a name. */
  #onAsked(frame) {
    const conv = this.#roomOf(frame);
    if (!isText(frame.room)) return;
    if (!isText(frame.name)) return notify(peopleWords.asked(frame.room));
    if (!conv) return;
    conv.asking.set(fold(frame.name), frame.name);
    roomDialogs.asked(conv, frame.name);
  }

  /** This server does not want us: to come again at once would be of no use. */
  #onBanned(error) {
    store.banned = errorWords(error);
    this.#connection.drop();
    this.#connection.putOff(PUT_OFF_MS);
  }

  // -- messages

  #onSaid(frame) {
    const conv = this.#roomOf(frame);
    // An account hears its rooms at once. What is said before its page has joined is in the replay.
    if (conv && conv.stage !== 'out' && conv.stage !== 'joining') this.#take(conv, frame, 'live');
  }

  /** `way`: 'live' and 'replay' move the resume position, 'older' fills in above. Each id is taken once. */
  #take(conv, raw, way) {
    if (!isMessage(raw)) return;
    if (conv.ids.has(raw.id) || (way !== 'older' && conv.lastId !== null && raw.id <= conv.lastId)) return raw.ignored === true || this.#arrived(conv, raw, true);
    const item = raw.ignored === true ? undefined : this.#arrived(conv, raw, way === 'older');
    const own = raw.ignored !== true && (item !== undefined || isMe(raw.name));
    const message = messageOf(conv, raw, own, item?.key);
    conv.ids.add(raw.id);
    insertMessage(conv, message);
    if (way === 'older') return;
    conv.lastId = Math.max(conv.lastId ?? 0, raw.id);
    if (raw.ignored !== true) conv.typing.delete(fold(raw.name));
    if (way === 'live' && raw.ignored !== true) conv.away.delete(fold(raw.name));
    // What is replayed on first entering a room is old, except after the position remembered from an earlier visit.
    if (way === 'live' || !conv.fresh || (conv.readId !== null && raw.id > conv.readId)) countUnread(conv, message);
    trim(conv, view.isReadingBack(conv) ? MESSAGES_KEPT_READING_BACK : MESSAGES_KEPT);
  }

  /** The outbox item that this message is the server's copy of, taken out of the outbox; undefined if there is none. */
  #arrived(conv, raw, byRefOnly) {
    let heard; // worked out once, and only where it is needed
    const isIt = (item) => item.conv === conv.key && (item.state === 'sent' ? raw.ref !== undefined && item.ref === raw.ref
      : item.state === 'unsure' && raw.ref === undefined && !byRefOnly && fold(item.as) === fold(raw.name)
        && (item.kind === 'me') === (raw.me === true) && (item.essence ??= essence(item.text)) === (heard ??= essence(raw.text)));
    // What one connection took it took in order, so among equal lines the first is the right one.
    const at = store.outbox.findIndex(isIt);
    if (at < 0) return undefined;
    const [item] = store.outbox.splice(at, 1);
    this.#flush();
    return item;
  }

  #onDirect(frame) {
    if (!isText(frame.from) || !isText(frame.to) || !isText(frame.text)) return;
    const own = isMe(frame.from);
    const at = store.outbox.findIndex((item) => item.state === 'sent' && frame.ref !== undefined && item.ref === frame.ref);
    if (own && isMe(frame.to) && at < 0 && !isId(frame.id)) return; // to oneself: one copy is enough
    const item = at < 0 ? null : store.outbox.splice(at, 1)[0];
    const conv = (item && store.conversations.get(item.conv)) || conversation('direct', own ? frame.to : frame.from);
    // The server has its own spelling of a name that was typed here.
    const key = directKey(frame.to);
    if (own && item && conv.kind === 'direct' && (key === conv.key || !store.conversations.has(key))) this.#rekey(conv, key, frame.to);
    if (store.role) conv.isGuest = frame.guest === true; // one of the two is, and not this one
    if (isId(frame.id)) this.#takeDirect(conv, frame, item, own);
    else {
      const message = {
        type: 'message', key: item ? item.key : nextKey(), id: undefined, epoch: '', time: timeOf(frame.time),
        name: frame.from, text: frame.text, me: false, own, mention: false,
      };
      insertMessage(conv, message);
      countUnread(conv, message);
    }
    trim(conv, MESSAGES_KEPT);
    this.#flush();
  }

  /** Of a conversation that the server keeps. What was said in it before is asked for when it is looked at. */
  #takeDirect(conv, { from, text, id, time }, item, own) {
    this.#keep(conv);
    conv.at = Math.max(conv.at, timeOf(time));
    if (conv.stage === 'out' && conv.lastId === null && conv !== current()) {
      conv.position = id;
    } else if (!conv.ids.has(id)) {
      conv.ids.add(id);
      insertMessage(conv, messageOf(conv, { id, time, name: from, text }, own, item?.key));
      if (conv.stage === 'in') conv.lastId = Math.max(conv.lastId ?? 0, id);
    }
    if (!conv.reading && knows('unread') && !conv.asked) reading.askSoon();
    conv.asked = true;
    countUnread(conv, { id, own, mention: false });
    if (conv === current()) conversations.open(conv);
  }

  /** This conversation has ids, of this life of the server. */
  #keep(conv) {
    if (conv.kept && conv.epoch !== store.epoch) {
      addDivider(conv, 'restart');
      Object.assign(conv, { lastId: null, ids: new Set(), older: false, passage: null, stage: 'out', reading: null });
    }
    Object.assign(conv, { kept: true, epoch: store.epoch });
    return conv;
  }

  keptConversation(name) { return this.#keep(conversation('direct', name)); }
  takeOlder(conv, raw) { this.#take(conv, raw, 'older'); }

  /** Nothing that was missed in a direct conversation is still to come. */
  caughtUp(conv) {
    this.#settleUnsure();
    this.#flush();
    this.#seek(conv);
  }

  // -- the outbox

  /**
   * What the replay did not bring was not taken, provided that the connection it went out on is gone: see above. An account
   * may have several connections, so this one proves nothing; what is sent twice is still said once, by its key.
   */
  #settleUnsure() {
    for (const item of store.outbox) {
      const conv = store.conversations.get(item.conv);
      if (item.state === 'unsure' && (item.kind !== 'msg' || conv?.kept) && !item.lost && conv?.stage === 'in' && (isMe(item.as) || store.role)) item.state = 'queued';
    }
  }

  #flush() {
    if (store.link !== 'online' || store.ended) return;
    let free = IN_FLIGHT_MAX - store.outbox.filter((item) => item.state === 'sent').length;
    for (const item of store.outbox) {
      if (free <= 0) return;
      const conv = store.conversations.get(item.conv);
      if (item.state !== 'queued' || !conv || (conv.kind === 'room' && conv.stage !== 'in')) continue;
      if (++item.tries > TRIES_MAX) Object.assign(item, { state: 'failed', error: t.unsure });
      else if (this.#transmit(item, conv)) free--;
    }
  }

  #transmit(item, conv) {
    const ref = this.request(frameOf(item.kind, conv, item.text, item.sendKey), () => {}, (error) => {
      Object.assign(item, { state: 'failed', error: errorWords(error) });
      this.#flush();
    });
    if (ref) Object.assign(item, { state: 'sent', ref, as: store.name, lost: false });
    return Boolean(ref);
  }
}

/** One of somebody who is ignored comes without a name and a text. */
const isMessage = (raw) => Boolean(raw) && isId(raw.id) && (raw.ignored === true || (isText(raw.name) && isText(raw.text)));

function messageOf(conv, raw, own, key = nextKey()) {
  if (raw.ignored === true) return { type: 'message', key, id: raw.id, epoch: conv.epoch, time: timeOf(raw.time), name: '', text: '', me: false, own, mention: false, isIgnored: true };
  return {
    type: 'message', key, id: raw.id, epoch: conv.epoch, time: timeOf(raw.time),
    name: raw.name, text: raw.text, me: raw.me === true, own,
    mention: !own && (conv.reading ? isForMe(conv, raw.name, raw.text) : mentionsMe(raw.text)),
  };
}

/** The fields by which the server knows a conversation. */
const addressOf = (conv) => (conv.kind === 'room' ? { room: conv.name } : { to: conv.name });

/** A room that answers so is out of reach, whatever it was before. */
const GONE = new Set(['no_such_room', 'removed']);

/** As long as any other, so that what fits with one fits with the next. */
const refOf = (number) => `r${String(number).padStart(7, '0')}`;

/** What the server knows a message by: sent again with the same one, it is said once. All are of one length. */
const newSendKey = () => btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(15))));
const SEND_KEY_SAMPLE = newSendKey();

/** The frame that says a text in a room, or to a person. */
function frameOf(kind, conv, text, key = SEND_KEY_SAMPLE) {
  return { type: kind, ...(kind === 'msg' ? { to: conv.name } : { room: conv.name }), text, key };
}

/** What the server says to who would open a WebSocket: 'admitted', a key of `refusals` among the words, or '' for no answer. */
async function askAdmission() {
  const url = new URL('admission', location.href);
  url.search = `?origin=${encodeURIComponent(location.origin)}`;
  let answer, text, json = null;
  try {
    answer = await fetch(url, { cache: 'no-store', signal: AbortSignal.timeout(ADMISSION_MS) });
    text = await answer.text();
  } catch {
    return '';
  }
  try { json = JSON.parse(text); } catch { /* not from what answers such questions */ }
  if (answer.ok) return json?.admitted === true ? 'admitted' : '';
  if (json?.admitted === false || isText(json?.reason)) return Object.hasOwn(t.refusals, json.reason) ? json.reason : '';
  // Refused at the door, before anything was read: the server does that in plain text, proxies speak HTML.
  const isPlain = /^text\/plain\b/i.test(answer.headers.get('content-type') ?? '');
  return isPlain && { 403: /\bbanned\b/.test(text) ? 'banned' : '', 429: 'crowded', 503: /\bstopping\b/.test(text) ? 'stopping' : 'full' }[answer.status] || '';
}

// ---------------------------------------------------------------- Commands

/** The same for what is about rooms, reading and order: see below. */
const PEOPLE_ACTIONS = {
  room: (rest, conv) => inRoom(conv, () => roomDialogs.menu(conv)),
  rename: (rest, conv) => inRoom(conv, () => roomDialogs.rename(conv, rest)),
  'delete-room': (rest, conv) => inRoom(conv, () => roomDialogs.deletion(conv)),
  keep: (rest, conv) => inRoom(conv, () => roomDialogs.keep(conv)),
  accept: (rest, conv) => rest !== '' && inRoom(conv, () => roomDialogs.admit(conv, rest.split(/\s/)[0])),
  refuse: (rest, conv) => rest !== '' && inRoom(conv, () => roomDialogs.refuse(conv, rest.split(/\s/)[0])),
  kick: (rest, conv) => rest !== '' && inRoom(conv, () => order.remove(conv, ...sentenceOf(rest))),
  mute: (rest, conv) => rest !== '' && inRoom(conv, () => order.mute(conv, ...sentenceOf(rest))),
  unmute: (rest, conv) => rest !== '' && inRoom(conv, () => order.unmute(conv, rest.split(/\s/)[0])),
  ban: (rest) => order.ban(...sentenceOf(rest)),
  unban: () => order.bans(),
  bans: () => order.bans(),
  ignore: (rest) => (rest ? order.ignore(rest.split(/\s/)[0]) : order.ignoredList()),
  unignore: (rest) => rest !== '' && order.unignore(rest.split(/\s/)[0]),
  report: (rest, conv) => {
    const last = conv?.entries.findLast((entry) => entry.type === 'message' && entry.id !== undefined && !entry.own);
    if (last) order.report(conv, last, rest.replace(/^-?\d+\s*/, ''));
    else notify(t.notHere, true);
  },
  unread: () => ofAccount(() => notify(reading.summary([...store.conversations.values()]))),
  level: (rest, conv) => ofAccount(() => inRoom(conv, () => (rest ? reading.setLevel(conv, rest) : roomDialogs.levels(conv)))),
  conversations: () => view.showConversations(),
};

/** What the page does for a command, (arguments, conversation); returning false means that the arguments were not right. */
const ACTIONS = {
  nick: (rest) => rest !== '' && void session.rename(rest).then((error) => error && notify(errorWords(error), true)),
  join: (rest) => {
    const [room, code] = rest.split(/\s+/);
    return room !== '' && session.join(room, code);
  },
  leave: (rest, conv) => {
    const target = rest ? store.conversations.get(roomKey(rest)) : conv;
    if (target) session.leave(target);
    else notify(t.notIn(rest), true);
  },
  msg: (rest) => {
    const [, name, text] = /^(\S+)\s+([^]+)$/.exec(rest) || [];
    if (!name) return false;
    const conv = conversation('direct', name);
    session.say(conv, text);
    session.show(conv);
  },
  me: (rest, conv) => {
    if (!rest) return false;
    if (conv?.kind === 'room') session.say(conv, rest, 'me');
    else notify(t.notHere, true);
  },
  topic: (rest, conv) => {
    if (conv?.kind !== 'room') notify(t.notHere, true);
    else if (rest) session.setTopic(conv, rest);
    else notify(conv.topic ? t.topicIs(conv.name, conv.topic) : t.topicNone(conv.name));
  },
  who: () => view.showMembers(),
  rooms: () => view.browse(),
  search: (rest) => view.search(rest),
  help: () => view.help(),
  login: (rest) => (store.role ? accounts.menu() : accounts.login(rest.split(/\s/)[0])),
  register: (rest) => (store.role ? accounts.menu() : accounts.register(...rest.split(/\s+/).filter(Boolean).reverse())),
  logout: () => ofAccount(() => accounts.logout()),
  account: () => ofAccount(() => accounts.menu()),
  password: () => ofAccount(() => accounts.password()),
  sessions: () => ofAccount(() => accounts.sessions()),
  token: () => ofAccount(() => accounts.sessions()),
  invite: (rest, conv) => ofAccount(() => (conv?.kind === 'room' && knows('room') ? roomDialogs.invite(conv) : accounts.invite())),
  invitations: () => ofAccount(() => accounts.invite()),
  confirm: (rest) => ofAccount(() => accounts.terminal(rest.split(/\s/)[0])),
  reset: (rest) => ofAccount(() => accounts.reset(rest.split(/\s/)[0])),
  role: (rest) => ofAccount(() => accounts.roles(...rest.split(/\s+/))),
  'delete-account': () => ofAccount(() => accounts.deletion()),
  ...PEOPLE_ACTIONS,
};

/** What is done to the room that is shown. */
const inRoom = (conv, act) => void (conv?.kind === 'room' ? act() : notify(t.notHere, true));

/** NAME [MINUTES] [REASON], as they are typed. */
function sentenceOf(text) {
  const [, name, minutes = '', reason = ''] = /^(\S*)(?:\s+(\d+)(?!\S))?\s*([^]*)$/.exec(text);
  return [name, minutes, reason];
}

/** What takes an account; a guest is asked to log in. */
const ofAccount = (act) => void (store.role ? act() : accounts.login());

/** These open a list of their own, which needs no arguments. */
const LISTS = ['who', 'rooms', 'help', 'token', 'invite', 'invitations', 'sessions', 'confirm', 'room', 'unread', 'bans', 'unban', 'conversations'];

/** How a command of the table is typed here. */
function usageOf({ name, arguments: args }) {
  return LISTS.includes(name) ? `/${name}` : `/${name} ${args}`;
}

/** By how many bytes the longest of these lines is over the limit, as a message to this conversation. */
function excessOf(conv, lines) {
  const kind = conv?.kind === 'direct' ? 'msg' : 'say';
  return lines.reduce((most, line) => Math.max(most, session.excess(frameOf(kind, conv ?? { name: '' }, line))), -Infinity);
}

function refuseLong(conv, lines) {
  const over = excessOf(conv, lines);
  if (over > 0) notify(t.tooLong(over), true);
  return over > 0;
}

/** Takes one line with a slash; returns what to say where it says something after all. */
function runCommand(line, conv) {
  if (refuseLong(conv, [line])) return false;
  const [, name, rest] = /^\/(\S*)\s*([^]*)$/.exec(line);
  const command = COMMANDS.find((it) => it.name === name.toLowerCase());
  const action = command && Object.hasOwn(ACTIONS, command.name) && ACTIONS[command.name];
  if (!command) notify(t.unknownCommand(`/${name}`), true);
  else if (!action) notify(t.terminalOnly(`/${name}`), true);
  else if (action(rest.trim(), conv) === false) notify(t.usage(usageOf(command)), true);
  else return true;
  return false;
}

/** Returns whether the draft is done with. A draft of several lines is several messages, and none of them a command. */
function submit(conv, draft) {
  const lines = draft.split(/\r\n|\r|\n/).map((line) => line.trim()).filter(Boolean);
  if (lines.length === 0) return false;
  if (lines.length === 1 && /^\/(?!\/)/.test(lines[0])) return runCommand(lines[0], conv);
  if (!conv) return false;
  if (lines.length === 1) lines[0] = lines[0].replace(/^\/\//, '/');
  if (refuseLong(conv, lines)) return false;
  for (const line of lines) session.say(conv, line);
  return true;
}

// ---------------------------------------------------------------- View

const GROUP_MS = 5 * 60_000; // messages of one person this close together share one heading
const PINNED_PX = 60; // so near the end counts as at the end
const OLDER_PX = 400; // so near the top older messages are fetched
const NOTICE_MS = 9000;
const NARROW = matchMedia('(max-width: 760px)');
const MEDIUM = matchMedia('(max-width: 1080px)');

/** What gets the focus back by that was out of reach until now, and Chromium would put no text into it: it gets it again later. */
function closeDialog(selector) {
  $(selector).close();
  document.activeElement?.blur();
}

const LOCKED = new Set(['ask', 'invited']);

const rowKeys = new WeakMap();
/** Makes the children of `parent` match `rows` (each with a `key`), keeping the nodes of rows that stay. */
function reconcile(parent, rows, make, update) {
  const wanted = new Set(rows.map((row) => row.key)), nodes = new Map();
  for (const node of [...parent.children]) {
    if (wanted.has(rowKeys.get(node))) nodes.set(rowKeys.get(node), node);
    else node.remove();
  }
  let place = parent.firstElementChild;
  for (const row of rows) {
    let node = nodes.get(row.key);
    if (!node) rowKeys.set(node = make(row), row.key);
    update(node, row);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
}

const LINK = /https?:\/\/[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d+)?(?:[/?#][^\s<>"'`、。，．！？；：「」『』（）【】《》…]*)?/gi;
const LINK_UNITS_MAX = 4096; // what is longer was not meant to be clicked
const WHOLE_UNITS_MAX = 1000; // a longer message is shown shortened
const SHORT_UNITS = 700; // to about so much
const UNFOLD_UNITS = 8000; // shown at a time, so that the page answers in between
/** Letters without a gap. Lines are broken in Japanese, Chinese and Korean without one. */
const RUN = /[^ \t\n\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}\u3000-\u303f\uff00-\uffef]{251,}/gu;
const PIECE_UNITS = 250;

/** A part of a text as nodes: links become links, all else stays text. */
function nodesOf(text, from = 0, to = text.length) {
  const links = linksOf(text, from, to);
  return partsOf(text, from, to).flatMap(([start, end, isPiece]) => {
    const nodes = nodesBetween(text, start, end, links);
    return isPiece ? el('span', { className: 'piece' }, ...nodes) : nodes;
  });
}

/** The links that begin in a part of a text, in order. */
function linksOf(text, from, to) {
  const links = [];
  for (const match of text.slice(from, to + LINK_UNITS_MAX).matchAll(LINK)) {
    const start = from + match.index;
    if (start >= to) break;
    if (match[0].length > LINK_UNITS_MAX) continue;
    const address = withoutTail(match[0]);
    if (URL.canParse(address)) links.push({ start, end: start + address.length, address });
  }
  return links;
}

const CLOSING = new Set(')]}');
/** A link without the punctuation of the sentence around it. A bracket that was opened before the link closes after it. */
function withoutTail(link) {
  let open = 0;
  for (const char of link) open += /[([{]/.test(char) - /[)\]}]/.test(char);
  let end = link.length;
  while (end > 0 && /[.,!?;:*~]/.test(link[end - 1])) end--;
  while (open < 0 && end > 0 && CLOSING.has(link[end - 1])) {
    open++;
    end--;
  }
  return link.slice(0, end);
}

/**
 * A text as [start, end, is a piece]. Browsers take time by the square of its length to break a run of letters without a gap
 * into lines (a second for 4,000 Arabic or Thai ones, or as many marks on one letter), so long runs are laid out in pieces.
 */
function partsOf(text, from, to) {
  const parts = [];
  let end = from;
  for (const { index, 0: run } of text.slice(from, to).matchAll(RUN)) {
    const stop = from + index + run.length;
    if (from + index > end) parts.push([end, from + index, false]);
    for (end = from + index; end < stop;) {
      const next = Math.min(stop, divide(text, end + PIECE_UNITS));
      parts.push([end, next, true]);
      end = next;
    }
  }
  if (end < to) parts.push([end, to, false]);
  return parts;
}

function nodesBetween(text, from, to, links) {
  const nodes = [];
  let end = from;
  for (const { start, end: stop, address } of links) {
    if (stop <= from || start >= to) continue;
    nodes.push(text.slice(end, Math.max(start, from)));
    end = Math.min(stop, to);
    nodes.push(el('a', { href: address, target: '_blank', rel: 'noopener noreferrer', textContent: text.slice(Math.max(start, from), end) }));
  }
  nodes.push(text.slice(end, to));
  return nodes.filter((node) => node !== '');
}

function drawAvatar(node, name) {
  setText(node, initials(name));
  node.style.setProperty('--hue', hueOf(name));
}

// How well a room fits what was typed, best first.
const [WHOLE_NAME, START_OF_NAME, PART_OF_NAME, PART_OF_TOPIC, NOTHING] = [0, 1, 2, 3, 4];
const LIST_PAGES_MAX = 10; // of rooms, looked through by Enter
const listed = (room) => ({ ...room, key: roomKey(room.room), about: isText(room.topic) ? fold(room.topic) : '' });

const ROW_WORDS = {
  top: (row) => row.text,
  day: (row) => dayWords(row.time),
  new: () => t.newMessages,
  event: (row) => row.texts.join(t.comma),
  gap: () => t.gap,
  restart: () => t.restart,
  stub: (row) => peopleWords.stub(row.count),
};

class View {
  #drawing = 0;
  #shown = null; // key of the conversation in the log
  #pinned = true; // the end of the log is in sight, and is kept so
  #noticeTimer = 0;
  #noticed = null;
  #hushTimer = 0;
  #address = null; // the query last put into the address
  #drawer = ''; // '' | 'rooms' | 'members': what slides over the conversation where there is no room beside it
  #membersWide = true; // where there is room, whether the members stand beside the log
  #found = { hits: [], next: undefined, state: '', text: '', asked: 0 }; // what was searched for last
  #showsHidden = false; // the rooms that their reader has hidden
  #marked = null; // { key, id, isShown }: the message that was searched for, in which conversation
  #browser = { rooms: [], pages: 0, next: undefined, state: '', hint: '', asked: '' };
  #askDone = null;
  #measured = { of: '', excess: -Infinity };
  #folded = new WeakMap(); // row -> { text, end: of what is shown of it }

  start() {
    document.documentElement.lang = LANGUAGE;
    for (const node of document.querySelectorAll('[data-t]')) node.textContent = t[node.dataset.t];
    for (const node of document.querySelectorAll('[data-t-label]')) node.setAttribute('aria-label', t[node.dataset.tLabel]);
    for (const node of document.querySelectorAll('[data-t-title]')) setLabel(node, t[node.dataset.tTitle]);
    for (const node of document.querySelectorAll('[data-t-hint]')) node.placeholder = t[node.dataset.tHint];
    $('#host').textContent = location.host;
    this.#listenSidebar();
    this.#listenLog();
    this.#listenComposer();
    this.#listenDialogs();
    this.#listenWindow();
    this.#layOut();
    if (document.activeElement === document.body) this.focusComposer();
  }

  /** Many changes, one drawing. */
  schedule() {
    this.#drawing ||= setTimeout(() => {
      this.#drawing = 0;
      this.#draw();
    }, 16);
  }

  /** Whether somebody is there to see it. Where the server counts, and so for all devices, that takes the focus of the window. */
  isReading(conv) {
    if (conv.reading && (!document.hasFocus() || conv.isHeld || conv.jumps)) return false;
    return conv.key === store.current && this.#pinned && !document.hidden && !(NARROW.matches && this.#drawer);
  }
  isReadingBack(conv) { return conv.key === store.current && !this.#pinned; }

  #draw() {
    const conv = current();
    if (this.#shown !== (conv?.key ?? null)) this.#pinned = true;
    if (conv?.passage || (conv && this.#marked?.key === conv.key && !this.#marked.isShown)) this.#pinned = false;
    if (conv && this.isReading(conv)) markRead(conv);
    this.#drawLink();
    this.#drawSidebar();
    this.#drawBar(conv);
    this.#drawLog(conv);
    this.#see(conv);
    this.#drawMembers(conv);
    this.#drawComposer(conv);
    this.#drawNotice();
    this.#drawTitle(conv);
  }

  /** The newest message in sight has been read, if somebody is there. */
  #see(conv) {
    if (!conv?.reading || conv.unread === 0 || conv.isHeld || conv.jumps || conv.passage || conv.stage !== 'in') return;
    if (document.hidden || !document.hasFocus() || (NARROW.matches && this.#drawer) || document.querySelector('dialog[open]')) return;
    const id = this.#pinned ? conv.reading.newest : this.#lastInSight();
    if (id) reading.see(conv, id);
  }

  #lastInSight() {
    const bottom = $('#log').getBoundingClientRect().bottom, rows = [...$('#messages').querySelectorAll('[data-id], [data-last]')];
    const row = rows.findLast((node) => node.getBoundingClientRect().bottom <= bottom + 1);
    return row ? Number(row.dataset.id ?? row.dataset.last) : 0;
  }

  // -- connection state

  #drawLink() {
    document.body.dataset.state = store.link;
    document.body.classList.toggle('ended', store.ended !== '');
    // The same words for as long as it lasts: a screen reader is told once, and not at every attempt.
    const trouble = store.banned || t.refusals[store.refusal] || (store.wasOnline || store.link === 'offline' ? t.offline : t.connecting);
    setText($('#link-text'), store.link === 'online' ? '' : trouble);
    $('#retry').disabled = store.link !== 'offline';
    setHidden($('#retry'), !store.wasOnline && store.link !== 'offline');
    this.#drawCountdown();
  }

  /** Not part of what a screen reader is told: nobody wants to hear a clock. */
  #drawCountdown() {
    const seconds = Math.ceil((store.retryAt - monotonic()) / 1000);
    const waits = store.link === 'offline' && seconds > 0;
    setText($('#link-wait'), waits ? t.retryIn(seconds) : store.wasOnline && store.link !== 'online' ? t.reconnecting : '');
  }

  // -- sidebar

  #listenSidebar() {
    for (const list of ['#rooms', '#directs']) {
      $(list).addEventListener('click', (event) => {
        const button = event.target.closest('button');
        if (button) this.#open(store.conversations.get(button.dataset.key));
      });
    }
    $('#join-room').addEventListener('submit', (event) => {
      event.preventDefault();
      const input = event.target.querySelector('input');
      if (!bareRoom(input.value)) return input.focus();
      this.enter(input.value);
      input.value = '';
    });
    $('#open-browse').addEventListener('click', () => this.browse());
    $('#blank-browse').addEventListener('click', () => this.browse());
    $('#open-help').addEventListener('click', () => this.help());
    $('#new-room').addEventListener('click', () => roomDialogs.create());
    $('#show-hidden').addEventListener('click', () => {
      this.#showsHidden = !this.#showsHidden;
      changed();
    });
    $('#me').addEventListener('click', () => (store.role ? accounts.menu() : this.askName()));
    $('#retry').addEventListener('click', () => session.nudge());
    $('#open-sidebar').addEventListener('click', () => this.#slide('rooms'));
    $('#scrim').addEventListener('click', () => this.#slide(''));
  }

  #open(conv) {
    if (!conv) return;
    this.#stash();
    session.show(conv);
    this.#arrive();
  }

  enter(name, code = '') {
    this.#stash();
    session.join(name, code);
    this.#arrive();
  }

  message(name) {
    this.#stash();
    session.message(name);
    this.#arrive();
  }

  /** Where the direct conversations are listed. */
  showConversations() {
    if (NARROW.matches) this.#slide('rooms');
    $('#directs button')?.focus();
  }

  /** After choosing a conversation one wants to write in it; on a phone, to see it first. */
  #arrive() {
    this.#slide('');
    $('#composer').value = current()?.draft ?? '';
    this.#grow();
    this.#draw();
    this.focusComposer();
  }

  /** What was typed and found here is not for whoever comes next. */
  forget() {
    this.#found = { hits: [], next: undefined, state: '', text: '', asked: this.#found.asked + 1 };
    $('#search-text').value = '';
    $('#composer').value = '';
    this.#grow();
  }

  /** Not where a keyboard would slide over what there is to read. */
  focusComposer() {
    if (!matchMedia('(pointer: coarse)').matches) $('#composer').focus({ preventScroll: true });
  }

  #stash() {
    const conv = current();
    if (conv) conv.draft = $('#composer').value;
  }

  #drawSidebar() {
    const make = (conv) => el('li', {}, el('button', { type: 'button' },
      el('span', { className: conv.kind === 'room' ? 'hash' : 'avatar', ariaHidden: 'true' }), el('bdi'), el('span', { className: 'unread' })));
    const update = (item, conv) => this.#drawLinkTo(item.firstChild, conv);
    const isShown = (conv) => !isHidden(conv) || this.#showsHidden || conv.key === store.current;
    reconcile($('#rooms'), rooms().filter(isShown), make, update);
    const hidden = rooms().filter(isHidden);
    setHidden($('#show-hidden'), hidden.length === 0);
    setText($('#show-hidden'), peopleWords.hiddenRooms(hidden.length));
    $('#show-hidden').setAttribute('aria-expanded', String(this.#showsHidden));
    setHidden($('#new-room'), !store.role || !knows('room'));
    reconcile($('#directs'), directs(), make, update);
    setHidden($('#directs-box'), directs().length === 0);
    const others = [...store.conversations.values()].some((conv) => isNews(conv) && conv.key !== store.current);
    setHidden($('#open-sidebar .dot'), !others);
    const [avatar, who] = $('#me').children;
    drawAvatar(avatar, store.name || '?');
    setText(who.firstChild, store.name || '…');
    setText(who.lastChild, accountWords.roles[store.role] ?? (store.wish ? t.rename : t.chooseName));
    const icon = store.role ? '#i-up' : '#i-edit', use = $('#me use');
    if (use.getAttribute('href') !== icon) use.setAttribute('href', icon);
    setHidden($('#log-in'), store.role !== '' || !store.wasOnline);
    setText($('#log-in'), accounts.entryWords);
  }

  #drawLinkTo(button, conv) {
    const [mark, name, badge] = button.children, isRoom = conv.kind === 'room';
    button.dataset.key = conv.key;
    button.dataset[isRoom ? 'room' : 'direct'] = conv.name;
    if (isRoom) this.#drawMark(mark, conv);
    else drawAvatar(mark, conv.name);
    setText(name, isRoom ? conv.name.slice(1) : conv.name);
    const { count, kind } = badgeOf(conv);
    setText(badge, count > 99 ? '99+' : String(count || ''));
    setHidden(badge, count === 0);
    button.classList.toggle('news', isNews(conv));
    button.classList.toggle('away', conv.isAway || conv.isGone);
    for (const one of ['loud', 'faint']) badge.classList.toggle(one, one === kind);
    const marks = [isRoom && peopleWords.entryShort[conv.entry], conv.isGuest && accountWords.guest, conv.unread > 0 && t.unread(conv.unread), conv.mentions > 0 && peopleWords.forYou(conv.mentions)];
    const label = [conv.name, ...marks].filter(Boolean).join(t.comma);
    if (button.getAttribute('aria-label') !== label) button.setAttribute('aria-label', label);
    const wasCurrent = button.hasAttribute('aria-current');
    if (conv.key !== store.current) button.removeAttribute('aria-current');
    else if (!wasCurrent) {
      button.setAttribute('aria-current', 'page');
      requestAnimationFrame(() => button.scrollIntoView({ block: 'nearest' }));
    }
  }

  /** A lock in place of the sign of a room that not everybody with an account may enter. */
  #drawMark(mark, conv) {
    const icon = LOCKED.has(conv.entry) ? 'i-lock' : '';
    if (mark.dataset.icon === icon) return;
    mark.dataset.icon = icon;
    mark.replaceChildren(icon ? iconOf(icon) : '#');
  }

  // -- heading

  #drawBar(conv) {
    const isRoom = conv?.kind === 'room';
    const title = $('#title');
    const note = isRoom ? '' : [conv?.isGuest && accountWords.guest, conv?.isGone && peopleWords.gone].filter(Boolean).join(t.comma);
    const of = `${conv?.name ?? ''} ${conv?.entry ?? ''} ${note}`;
    if (title.dataset.of !== of) {
      title.dataset.of = of;
      const hash = el('span', { className: 'hash', textContent: isRoom ? '#' : '' });
      title.replaceChildren(hash, el('bdi', { textContent: isRoom ? conv.name.slice(1) : conv?.name ?? '' }));
      if (LOCKED.has(conv?.entry)) title.append(iconOf('i-lock'));
      if (note) title.append(el('small', { textContent: note }));
    }
    const topic = $('#topic');
    setHidden(topic, !isRoom);
    setHidden($('#open-room'), !isRoom || !knows('room') || conv.stage === 'out');
    if (isRoom) setLabel($('#open-room'), peopleWords.roomMenu(conv.name));
    setHidden($('#open-room .dot'), !conv?.asking.size);
    setText(topic, conv?.topic || t.noTopic);
    topic.classList.toggle('none', !conv?.topic);
    setLabel(topic, conv?.topic ? `${conv.topic} · ${t.changeTopic}` : t.noTopic);
    setHidden($('#open-members'), !isRoom);
    const total = conv?.total ? t.people(conv.total) : '';
    setText($('#member-count'), total);
    setLabel($('#open-members'), `${t.members} ${total}`.trim());
    setHidden($('#leave'), !conv);
    if (conv) setLabel($('#leave'), isRoom ? t.leaveRoom(conv.name) : t.closeDirect);
  }

  #drawTitle(conv) {
    const unread = [...store.conversations.values()].reduce((sum, conv) => sum + (isNews(conv) ? conv.unread : 0), 0);
    const title = `${unread ? `(${unread}) ` : ''}${conv ? `${conv.name} · ` : ''}${t.brand}`;
    if (document.title !== title) document.title = title;
    // The address names the room, so that it can be passed on; never one's own name.
    const search = conv?.kind === 'room' ? `?room=${encodeURIComponent(conv.name.slice(1))}` : '';
    // Compared with what was asked for, not with what it became: browsers escape differently, and limit such calls.
    if (this.#address !== search) history.replaceState(null, '', location.pathname + (this.#address = search));
  }

  // -- log

  #listenLog() {
    const log = $('#log');
    log.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#pinned && this.#toEnd()).observe(log);
    log.addEventListener('keydown', (event) => this.#onLogKey(event));
    $('#latest').addEventListener('click', () => {
      this.#toLatest();
      $('#composer').focus();
    });
    $('#messages').addEventListener('click', (event) => {
      const action = event.target.closest('button')?.dataset.action;
      if (action === 'unfold') return this.#unfold(event.target.closest('li'));
      if (action === 'more') return this.#openMessage(event.target.closest('li'));
      const key = event.target.closest('li')?.dataset.pending;
      const item = key && store.outbox.find((other) => other.key === key);
      if (item && action === 'again') session.sendAgain(item);
      if (item && action === 'discard') session.discard(item);
    });
  }

  #openMessage(node) {
    const conv = current(), id = Number(node.dataset.id);
    const entry = (conv?.passage?.entries ?? conv?.entries)?.findLast((one) => one.type === 'message' && one.id === id);
    if (entry) order.messageMenu(conv, entry);
  }

  /** With the keyboard: Enter goes from the log to the menu of its newest message, the arrows to that of another, Escape back. */
  #onLogKey(event) {
    const at = event.target.closest('.more'), log = $('#log');
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = [...log.querySelectorAll('.more')], by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const next = event.target === log && event.key === 'Enter' ? all.at(-1) : at && by ? all[all.indexOf(at) + by] : null;
    if (at && event.key === 'Escape') {
      event.stopPropagation();
      log.focus();
    } else if (next) {
      event.preventDefault();
      next.focus();
    }
  }

  #scrolled() {
    const log = $('#log'), conv = current();
    const below = log.scrollHeight - log.scrollTop - log.clientHeight, pinned = below < PINNED_PX && !conv?.passage;
    if (conv?.passage && below < OLDER_PX) session.loadNewer(conv);
    if (pinned !== this.#pinned) {
      this.#pinned = pinned;
      if (pinned && conv) trim(conv, MESSAGES_KEPT);
      changed();
    }
    if (conv && log.scrollTop < OLDER_PX) session.loadOlder(conv);
    this.#see(conv);
  }

  /** From a passage, too. */
  #toLatest() {
    const conv = current();
    this.#marked = null;
    if (conv?.passage) {
      conv.passage = null;
      this.#pinned = true;
      this.#draw();
    }
    this.#toEnd();
  }

  /** Scrolls to a message, which is in the log as soon as that is drawn, and marks it. */
  mark(conv, id) {
    this.#marked = { key: conv.key, id, isShown: false };
    changed();
  }

  #isMarked(row) { return row.id !== undefined && row.id === this.#marked?.id && row.epoch === current()?.epoch && this.#marked.key === store.current; }

  #showMarked() {
    const marked = this.#marked;
    if (!marked || marked.isShown || marked.key !== store.current) return;
    const node = $('#messages .found');
    if (!node) return;
    marked.isShown = true;
    node.scrollIntoView({ block: 'center' });
    this.#scrolled();
  }

  #toEnd() {
    const log = $('#log');
    log.scrollTop = log.scrollHeight;
  }

  #drawLog(conv) {
    const log = $('#log'), list = $('#messages');
    const switched = this.#shown !== (conv?.key ?? null);
    const waiting = Boolean(conv) && !conv.known;
    this.#shown = conv?.key ?? null;
    const anchor = this.#pinned ? null : this.#firstInSight();
    const anchorTop = anchor?.getBoundingClientRect().top;
    if (switched || conv?.loadingOlder || waiting) this.#hush();
    log.setAttribute('aria-label', conv ? conv.name : t.rooms);
    log.classList.toggle('waiting', waiting);
    log.setAttribute('aria-busy', String(waiting));
    if (switched) list.replaceChildren();
    reconcile(list, conv && !waiting ? this.#rows(conv) : [], (row) => this.#makeRow(row), (node, row) => this.#updateRow(node, row));
    if (conv?.jumps && conv.stage === 'in') this.#jump(conv);
    if (this.#pinned) this.#toEnd();
    else if (anchor?.isConnected) log.scrollTop += anchor.getBoundingClientRect().top - anchorTop;
    this.#showMarked();
    if (conv && log.scrollTop < OLDER_PX) session.loadOlder(conv);
    this.#drawBlank(conv);
    setHidden($('#latest'), this.#pinned || !conv);
    setText($('#latest span'), conv?.unread ? t.latestNew(conv.unread) : t.latest);
  }

  /** On opening: to the first of what is new, where that is more than fits, so that it is read from its beginning. */
  #jump(conv) {
    conv.jumps = false;
    const log = $('#log'), line = conv.reading && conv.newFrom !== null && $('#messages .new');
    if (!line || conv.passage) return;
    const above = line.getBoundingClientRect().top - $('#messages').getBoundingClientRect().top;
    if (log.scrollHeight - above <= log.clientHeight) return;
    this.#pinned = false;
    log.scrollTop = above;
  }

  /** Filling the log with what is old must not make a screen reader read it all out. */
  #hush() {
    const log = $('#log');
    log.setAttribute('aria-live', 'off');
    clearTimeout(this.#hushTimer);
    this.#hushTimer = setTimeout(() => log.setAttribute('aria-live', 'polite'), 600);
  }

  #firstInSight() {
    const top = $('#log').getBoundingClientRect().top;
    return [...$('#messages').children].find((node) => node.classList.contains('message') && node.getBoundingClientRect().bottom > top);
  }

  #drawBlank(conv) {
    setHidden($('#blank'), Boolean(conv));
    if (conv) return;
    setText($('#blank h2'), t.blankTitle);
    setText($('#blank p'), t.blankText);
  }

  /** The log of a conversation as rows: what stands in the store, with headings, days and dividers worked out. */
  #rows(conv) {
    const rows = [this.#topRow(conv)];
    let day = '', previous = null, isNew = conv.newFrom !== null;
    const heading = (entry) => {
      const date = new Date(entry.time).toDateString();
      if (date === day) return;
      day = date;
      rows.push({ type: 'day', key: `day ${entry.key}`, time: entry.time });
      previous = null;
    };
    const add = (entry, extra) => {
      heading(entry);
      const first = !previous || (previous.name !== entry.name && fold(previous.name) !== fold(entry.name)) || entry.time - previous.time > GROUP_MS || entry.me || previous.me;
      rows.push({ ...entry, ...extra, first });
      previous = entry;
    };
    for (const entry of conv.passage?.entries ?? conv.entries) {
      if (entry === conv.firstUnread || (isNew && this.#isFirstNew(conv, entry))) {
        if (entry.time) heading(entry);
        rows.push({ type: 'new', key: 'new' });
        previous = null;
        isNew = false;
      }
      if (entry.isIgnored) {
        heading(entry);
        previous = null;
        const last = rows.at(-1);
        if (last.type === 'stub') Object.assign(last, { count: last.count + 1, last: entry.id });
        else rows.push({ type: 'stub', key: `stub ${entry.key}`, count: 1, last: entry.id });
      } else if (entry.type === 'message') add(entry);
      else {
        if (entry.time) heading(entry);
        rows.push({ ...entry });
        previous = null;
      }
    }
    for (const item of store.outbox) {
      if (item.conv !== conv.key || conv.passage) continue;
      const entry = { ...item, type: 'message', name: item.as || store.name, me: item.kind === 'me', own: true };
      add(entry, { pending: item.state });
    }
    return rows;
  }

  #isFirstNew(conv, entry) {
    return entry.type === 'message' && entry.id >= conv.newFrom && entry.epoch === conv.epoch && !entry.own;
  }

  #topRow(conv) {
    if (conv.loadingOlder) return { type: 'top', key: 'top', text: t.loading };
    if (conv.kept && conv.stage === 'joining') return { type: 'top', key: 'top', text: t.loading };
    const begins = (conv.kind === 'direct' && !conv.kept) || !(conv.passage ?? conv).older;
    const silent = conv.kind === 'room' && !conv.entries.some((entry) => entry.type === 'message');
    const words = (conv.kind === 'room' ? t.startRoom : isKept(conv) ? peopleWords.startKept : t.startDirect)(conv.name);
    return { type: 'top', key: 'top', text: begins ? words + (silent ? t.firstWord : '') : '', begins };
  }

  #makeRow(row) {
    if (row.type !== 'message') return el('li', { className: row.type }, el('span'));
    const time = new Date(row.time);
    const node = el('li', { className: 'message' },
      el('span', { className: 'avatar', ariaHidden: 'true' }),
      el('div', { className: 'head' }, el('bdi', { className: 'author', textContent: row.name }), ' ', el('time', {})),
      el('p', { className: 'text', dir: 'auto' }));
    this.#fill(node, row.text);
    drawAvatar(node.firstChild, row.name);
    node.querySelector('.author').style.setProperty('--hue', hueOf(row.name));
    Object.assign(node.querySelector('time'), { dateTime: time.toISOString(), textContent: clock.format(time), title: fullDate.format(time) });
    return node;
  }

  #addMore(node, row, hasMore) {
    if (!hasMore) return node.querySelector('.more').remove();
    const button = el('button', { type: 'button', className: 'more', tabIndex: -1, textContent: '⋯', title: peopleWords.more });
    button.setAttribute('aria-label', peopleWords.moreOfMessage(row.name));
    button.dataset.action = 'more';
    node.querySelector('.head').after(button);
  }

  #fill(node, text) {
    const end = text.length > WHOLE_UNITS_MAX ? divide(text, SHORT_UNITS) : text.length;
    node.querySelector('.text').append(...nodesOf(text, 0, end));
    if (end === text.length) return;
    const all = t.showAll(countCharacters(text).toLocaleString(LANGUAGE));
    const button = el('button', { type: 'button', className: 'quiet unfold', textContent: all });
    button.dataset.action = 'unfold';
    node.append(button);
    this.#folded.set(node, { text, end });
  }

  /** Shows the rest of a message, a part at a time. What is above it stays where it is. */
  #unfold(node) {
    const { text, end } = this.#folded.get(node), next = divide(text, end + UNFOLD_UNITS);
    node.querySelector('.unfold')?.remove();
    this.#hush();
    node.querySelector('.text').append(el('span', { className: 'piece' }, ...nodesOf(text, end, next)));
    this.#folded.set(node, { text, end: next });
    if (next < text.length) setTimeout(() => node.isConnected && this.#unfold(node), 16);
    if (document.activeElement === document.body) $('#log').focus({ preventScroll: true });
    this.#scrolled();
  }

  #updateRow(node, row) {
    if (row.type !== 'message') {
      setText(node.firstChild, ROW_WORDS[row.type](row));
      if (row.last !== undefined) node.dataset.last = row.last;
      node.classList.toggle('begins', Boolean(row.begins));
      return;
    }
    const pending = row.pending ?? '';
    const marks = [row.first && 'first', row.own && 'own', row.me && 'action', row.mention && 'mention', this.#isMarked(row) && 'found', pending && 'pending', pending];
    const className = ['message', ...marks].filter(Boolean).join(' ');
    if (node.className !== className) node.className = className;
    if (row.id !== undefined) node.dataset.id = row.id;
    const hasMore = row.id !== undefined && order.hasMenu(row);
    if (hasMore !== Boolean(node.querySelector('.more'))) this.#addMore(node, row, hasMore);
    if (pending) node.dataset.pending = row.key;
    else delete node.dataset.pending;
    this.#drawFate(node, row, pending);
  }

  /** Below a message that has not arrived: what has become of it, and what can be done. */
  #drawFate(node, row, pending) {
    const state = store.link !== 'online' && pending && pending !== 'failed' ? 'queued' : pending;
    const fate = { failed: t.failed(row.error), unsure: t.unsure, queued: t.queued, sent: t.sending }[state];
    let line = node.querySelector('.fate');
    if (!fate) return line?.remove();
    if (line?.dataset.of === fate) return;
    line?.remove();
    line = el('div', { className: 'fate' }, fate);
    line.dataset.of = fate;
    for (const action of state === 'failed' || state === 'unsure' ? ['again', 'discard'] : []) {
      const button = el('button', { type: 'button', className: 'quiet', textContent: t[action] });
      button.dataset.action = action;
      line.append(' ', button);
    }
    node.append(line);
  }

  // -- members

  showMembers() {
    const conv = current();
    if (conv?.kind !== 'room') return notify(t.notHere, true);
    if (MEDIUM.matches) this.#slide('members');
    else {
      this.#membersWide = true;
      this.#layOut();
    }
    session.refreshMembers(conv);
  }

  #drawMembers(conv) {
    const isRoom = conv?.kind === 'room';
    setHidden($('#people'), !isRoom);
    if (!isRoom) return;
    this.#drawAsking(conv);
    // Where everybody is a guest, that need not be said.
    const hasAccounts = store.role !== '' || conv.accounts.size > 0;
    const people = [...conv.members].map(([key, name]) => ({ key, name, isGuest: hasAccounts && !conv.accounts.has(key), isAway: conv.away.has(key) && !isMe(name) })).slice(0, MEMBERS_KEPT);
    people.sort((a, b) => isMe(b.name) - isMe(a.name) || a.isAway - b.isAway || alphabet.compare(a.name, b.name));
    reconcile($('#members'), people,
      () => el('li', {},
        el('button', { type: 'button' }, el('span', { className: 'avatar', ariaHidden: 'true' }), el('bdi'), ' ', el('small')),
        el('button', { type: 'button', className: 'more icon', textContent: '⋯' })),
      (node, { key, name, isGuest, isAway }) => {
        const [avatar, label, note] = node.firstChild.children;
        setHidden(node.lastChild, isMe(name) || !order.hasMenu({ name }));
        node.lastChild.dataset.more = name;
        setLabel(node.lastChild, peopleWords.moreOf(name));
        node.firstChild.dataset.name = name;
        node.firstChild.classList.toggle('away', isAway);
        drawAvatar(avatar, name);
        setText(label, name);
        const marks = [isMe(name) && t.you, peopleWords.roles[conv.roles.get(key)], store.ignored.has(key) && peopleWords.ignored, isGuest && accountWords.guest, isAway && accountWords.away].filter(Boolean).join(t.comma);
        setText(note, marks);
        if (!isMe(name)) setLabel(node.firstChild, [t.messageMember(name), marks].filter(Boolean).join(t.comma));
      });
    setText($('#members-total'), conv.total ? t.people(conv.total) : '');
    const rest = conv.total - people.length;
    setHidden($('#members-more'), !(rest > 0 && people.length > 0));
    setText($('#members-more'), rest > 0 ? t.moreMembers(rest) : '');
  }

  /** Who asks to be let in, above those who are in. */
  #drawAsking(conv) {
    const people = [...conv.asking].map(([key, name]) => ({ key, name }));
    setHidden($('#asking-box'), people.length === 0);
    reconcile($('#asking'), people, ({ name }) => {
      const button = (kind, label, act) => {
        const node = el('button', { type: 'button', className: kind, textContent: label });
        node.addEventListener('click', act);
        return node;
      };
      const yes = button('solid', peopleWords.accept, () => roomDialogs.admit(current(), name));
      const no = button('quiet', peopleWords.refuse, () => roomDialogs.refuse(current(), name));
      yes.setAttribute('aria-label', peopleWords.acceptName(name));
      no.setAttribute('aria-label', peopleWords.refuseName(name));
      return el('li', {}, el('bdi', { textContent: name }), el('span', {}, yes, no));
    }, () => {});
  }

  // -- composer

  #listenComposer() {
    const composer = $('#composer');
    $('#compose').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    // The focus stays in the message box, and a phone's keyboard where it is.
    $('#send').addEventListener('mousedown', (event) => event.preventDefault());
    composer.addEventListener('keydown', (event) => {
      // Enter that ends an IME's conversion is not ours; Safari tells only by the key code.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.#submit();
    });
    composer.addEventListener('input', () => {
      this.#grow();
      const conv = current();
      if (conv && composer.value.trim() && !composer.value.startsWith('/')) session.typing(conv);
      changed();
    });
    $('#notice > .icon').addEventListener('click', () => this.#dismiss());
  }

  #submit() {
    const composer = $('#composer'), draft = composer.value;
    const conv = current();
    composer.value = ''; // first, since a command may open another conversation, with a draft of its own
    if (submit(conv, draft)) {
      if (conv) conv.draft = '';
      composer.value = current() === conv ? '' : current()?.draft ?? '';
      this.#pinned = true;
      if (store.notice?.error) store.notice = null;
    } else composer.value = draft;
    this.#grow();
    this.#draw();
    if (!document.querySelector('dialog[open]') && !this.#drawer) this.focusComposer();
  }

  #grow() {
    const composer = $('#composer');
    composer.style.height = 'auto';
    composer.style.height = `${composer.scrollHeight}px`;
  }

  #drawComposer(conv) {
    const composer = $('#composer');
    const hint = roomDialogs.silence(conv) || (conv ? t.messageTo(conv.name) : '/join #room');
    if (composer.placeholder !== hint) {
      composer.placeholder = hint;
      composer.setAttribute('aria-label', hint);
    }
    $('#send').disabled = !composer.value.trim();
    setText($('#typing'), this.#typingWords(conv));
    const left = -this.#excess(conv, composer.value);
    setText($('#count'), left < 200 ? (left < 0 ? t.tooLong(-left) : t.bytesLeft(left)) : '');
    $('#count').classList.toggle('over', left < 0);
  }

  /** As `excessOf`; worked out again only when the draft, the room or the limit is another. */
  #excess(conv, draft) {
    const of = `${store.limits.message_bytes} ${conv?.key} ${draft}`;
    if (this.#measured.of !== of) this.#measured = { of, excess: excessOf(conv, draft.split('\n').map((line) => line.trim())) };
    return this.#measured.excess;
  }

  #typingWords(conv) {
    const now = monotonic();
    const names = [...(conv?.typing.values() ?? [])].filter((who) => who.until > now).map((who) => isolate(who.name));
    if (names.length > 2) return t.typingMany;
    return names.length === 2 ? t.typing2(...names) : names.length ? t.typing1(names[0]) : '';
  }

  #drawNotice() {
    if (store.notice === this.#noticed) return;
    this.#noticed = store.notice;
    const box = $('#notice');
    clearTimeout(this.#noticeTimer);
    setHidden(box, !store.notice);
    box.classList.toggle('error', Boolean(store.notice?.error));
    setText(box.firstElementChild, store.notice?.text ?? '');
    $('#notice-actions').replaceChildren(...(store.notice?.actions ?? []).map(([label, act]) => {
      const button = el('button', { type: 'button', className: 'quiet', textContent: label });
      button.addEventListener('click', () => {
        this.#dismiss();
        act();
      });
      return button;
    }));
    if (store.notice && store.notice.actions.length === 0) this.#noticeTimer = setTimeout(() => this.#dismiss(), NOTICE_MS);
  }

  #dismiss() {
    if ($('#notice').contains(document.activeElement)) $('#composer').focus();
    store.notice = null;
    changed();
  }

  // -- dialogs

  #listenDialogs() {
    for (const dialog of document.querySelectorAll('dialog')) {
      let pressed = null; // a text that is selected to beyond the edge is no click beside the dialog
      dialog.addEventListener('pointerdown', (event) => { pressed = event.target; });
      dialog.addEventListener('click', (event) => {
        if ((event.target === dialog && pressed === dialog) || event.target.closest('[data-close]')) dialog.close();
      });
    }
    $('#ask form').addEventListener('submit', async (event) => {
      event.preventDefault();
      const error = await this.#askDone($('#ask-input').value.trim());
      if (error) setText($('#ask-error'), errorWords(error));
      else $('#ask').close();
    });
    $('#topic').addEventListener('click', () => this.#askTopic(current()));
    $('#leave').addEventListener('click', () => current() && session.leave(current()));
    $('#open-room').addEventListener('click', () => current() && roomDialogs.menu(current()));
    $('#open-members').addEventListener('click', () => {
      if (!MEDIUM.matches && this.#membersWide) {
        this.#membersWide = false;
        this.#layOut();
      } else this.showMembers();
    });
    $('#close-members').addEventListener('click', () => this.#slide(''));
    $('#members').addEventListener('click', (event) => {
      const { name, more } = event.target.closest('button')?.dataset ?? {};
      if (more !== undefined && current()) return order.memberMenu(current(), more);
      if (name === undefined) return;
      if (isMe(name)) return store.role ? accounts.menu() : this.askName();
      this.message(name);
    });
    this.#listenBrowser();
    this.#listenSearch();
  }

  /** One question, one answer. `done` resolves to an error to be shown, or to nothing. */
  #ask({ title, note, value, max }, done) {
    this.#askDone = done;
    setText($('#ask-title'), title);
    setText($('#ask-note'), note);
    setText($('#ask-error'), '');
    Object.assign($('#ask-input'), { value, maxLength: max });
    $('#ask').showModal();
    $('#ask-input').select();
  }

  askName() {
    const max = store.limits.name_chars || 32;
    // A grapheme may take many code units: the server counts, this only stops a pasted novel.
    this.#ask({ title: t.nameLabel, note: t.nameNote(max), value: store.name, max: max * 8 }, async (name) => (name ? session.rename(name) : null));
  }

  #askTopic(conv) {
    if (conv?.kind !== 'room') return;
    this.#ask({ title: t.topicLabel(conv.name), note: t.topicNote, value: conv.topic, max: 1000 }, async (text) => {
      if (text !== conv.topic) return session.setTopic(conv, text);
    });
  }

  help() {
    const commands = COMMANDS.filter(({ name }) => name === '/' || Object.hasOwn(ACTIONS, name));
    const rows = [...t.keys, ...commands.map((command) => [usageOf(command), t.commands[command.name] ?? peopleWords.commands[command.name] ?? command.help])];
    $('#help-list').replaceChildren(...rows.map(([keys, meaning]) => (
      el('div', {}, el('dt', {}, el('kbd', { textContent: keys })), el('dd', { textContent: meaning })))));
    $('#help').showModal();
  }

  // -- search

  #listenSearch() {
    $('#open-search').addEventListener('click', () => this.search(''));
    $('#search form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#search($('#search-text').value.trim());
    });
    $('#search-more').addEventListener('click', () => this.#findMore());
    $('#search-list').addEventListener('click', (event) => {
      const button = event.target.closest('button');
      const hit = button && this.#found.hits.find(({ key }) => key === button.dataset.hit);
      if (!hit) return;
      closeDialog('#search');
      this.#stash();
      session.reach(hit.room === undefined ? 'direct' : 'room', hit.room ?? hit.with, hit.id);
      this.#arrive();
    });
  }

  /** Opens the box; with words, searches for them. Without, what was found last is still there. */
  search(text) {
    if (!$('#search').open) $('#search').showModal();
    if (text) $('#search-text').value = text;
    $('#search-text').select();
    if (text) this.#search(text);
    else this.#drawSearch();
  }

  #search(text) {
    if (!text) return;
    this.#found = { hits: [], next: undefined, state: '', text, asked: this.#found.asked };
    this.#findMore();
  }

  #findMore() {
    const found = this.#found, asked = ++found.asked;
    const isStill = () => found === this.#found && asked === found.asked;
    found.state = t.searching;
    this.#drawSearch();
    session.search(found.text, found.next, (frame) => {
      if (!isStill()) return;
      const hits = Array.isArray(frame.hits) ? frame.hits.filter((hit) => isMessage(hit) && isText(hit.name) && isText(hit.room ?? hit.with)) : [];
      found.hits.push(...hits.map((hit) => ({ ...hit, key: `${hit.room ?? `@${hit.with}`} ${hit.id}` })));
      found.next = isId(frame.next) ? frame.next : undefined;
      found.state = found.hits.length ? '' : t.nothingFound;
      this.#drawSearch();
    }, (error) => {
      if (!isStill()) return;
      found.state = errorWords(error);
      this.#drawSearch();
    });
  }

  #drawSearch() {
    const { hits, next, state } = this.#found;
    reconcile($('#search-list'), hits,
      () => el('li', {}, el('button', { type: 'button' },
        el('span', { className: 'where' }), el('time', {}), el('span', { className: 'text', dir: 'auto' }))),
      (node, { key, room, with: other, name, text, time }) => {
        const [where, when, what] = node.firstChild.children;
        node.firstChild.dataset.hit = key;
        setText(where, t.where(isolate(room ?? other), isolate(name)));
        setText(when, shortDate.format(new Date(timeOf(time))));
        setText(what, text);
      });
    setHidden($('#search-more'), next === undefined || state !== '');
    setText($('#search-state'), state);
  }

  // -- all rooms

  #listenBrowser() {
    const filter = $('#browse-filter');
    filter.addEventListener('input', () => {
      this.#browser.hint = '';
      this.#drawBrowser();
    });
    $('#browse form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#pickBest(filter.value);
    });
    $('#browse-list').addEventListener('click', (event) => {
      const room = event.target.closest('button')?.dataset.join;
      if (room) this.#pick(room);
    });
    $('#browse-create').addEventListener('click', () => {
      if (!store.role || !knows('room')) return this.#pick(filter.value);
      const room = bareRoom(filter.value);
      closeDialog('#browse');
      roomDialogs.create(room);
    });
    $('#browse-more').addEventListener('click', () => this.#loadRooms());
    $('#browse').addEventListener('keydown', (event) => {
      if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
      const stops = [filter, ...document.querySelectorAll('#browse-list button, #browse-create:not([hidden])')];
      event.preventDefault();
      stops[stops.indexOf(document.activeElement) + (event.key === 'ArrowDown' ? 1 : -1)]?.focus();
    });
  }

  browse() {
    this.#browser = { rooms: [], pages: 0, next: undefined, state: '', hint: '', asked: '' };
    $('#browse-filter').value = '';
    this.#drawBrowser();
    if (!$('#browse').open) $('#browse').showModal();
    $('#browse-filter').focus();
    this.#loadRooms();
  }

  #pick(room) {
    if (!bareRoom(room)) return;
    closeDialog('#browse');
    this.enter(room);
  }

  /** Enter goes to the room that fits best, and makes none: who wants a new one says so with its button. */
  #pickBest(typed) {
    if (!bareRoom(typed)) return;
    const browser = this.#browser, isStill = () => $('#browse').open && browser === this.#browser && $('#browse-filter').value === typed;
    const again = () => isStill() && this.#pickBest(typed);
    const [best] = this.#matches(typed).filter(({ rank }) => rank <= PART_OF_NAME);
    if (best?.rank === WHOLE_NAME) return this.#pick(best.room);
    const isAllThere = !this.#hasMore() || store.link !== 'online' || browser.pages >= LIST_PAGES_MAX;
    if (!isAllThere && browser.asked !== typed) {
      // One of just this name may be anywhere among those not listed yet.
      browser.asked = typed;
      return session.findRoom(typed, (found) => (found && isStill() ? this.#pick(found) : again()));
    }
    if (!isAllThere) return this.#loadRooms(again);
    if (best) return this.#pick(best.room);
    browser.hint = store.link === 'online' ? t.noMatch(`#${bareRoom(typed)}`) : t.waitOnline;
    this.#drawBrowser();
  }

  #hasMore() { return this.#browser.next !== undefined || this.#browser.pages === 0; }

  #loadRooms(then = () => {}) {
    const browser = this.#browser;
    if (browser.loading) return browser.loading.push(then);
    browser.loading = [then];
    const settle = () => {
      const waiting = browser.loading;
      browser.loading = null;
      if (browser !== this.#browser) return;
      this.#drawBrowser();
      for (const next of waiting) next();
    };
    session.listRooms(browser.next, (frame) => {
      const found = Array.isArray(frame.rooms) ? frame.rooms.filter((room) => room && isText(room.room)) : [];
      const known = new Set(browser.rooms.map(({ key }) => key));
      browser.rooms.push(...found.map(listed).filter(({ key }) => !known.has(key)));
      browser.next = frame.next ?? undefined;
      browser.pages++;
      browser.state = browser.rooms.length ? '' : t.noRooms;
      settle();
    }, (error) => {
      browser.state = errorWords(error);
      browser.pages++;
      settle();
    });
  }

  /** The rooms that fit what was typed, best first: those listed, and one's own. */
  #matches(typed) {
    const key = fold(bareRoom(typed)), { rooms: list } = this.#browser, known = new Set(list.map((room) => room.key));
    const own = rooms().filter((conv) => !known.has(conv.key)).map((conv) => listed({ room: conv.name, members: conv.total || undefined, topic: conv.topic, entry: conv.entry }));
    const rank = (room) => {
      const name = room.key.slice(1);
      if (name === key) return WHOLE_NAME;
      if (name.startsWith(key)) return START_OF_NAME;
      return name.includes(key) ? PART_OF_NAME : room.about.includes(key) ? PART_OF_TOPIC : NOTHING;
    };
    const found = [...list, ...own].map((room) => ({ ...room, rank: rank(room) })).filter((room) => room.rank !== NOTHING);
    return key ? found.sort((a, b) => a.rank - b.rank || a.key.length - b.key.length) : found;
  }

  #drawBrowser() {
    const typed = $('#browse-filter').value, wanted = bareRoom(typed), found = this.#matches(typed);
    reconcile($('#browse-list'), found,
      () => el('li', {}, el('button', { type: 'button' },
        el('span', { className: 'hash', ariaHidden: 'true' }), el('bdi'), el('small'), el('span', { className: 'about', dir: 'auto' }))),
      (node, { room, members, topic, key, rank, entry }) => {
        const [mark, name, note, about] = node.firstChild.children;
        node.firstChild.dataset.join = room;
        this.#drawMark(mark, { entry });
        node.classList.toggle('best', wanted !== '' && key === found[0].key && rank <= PART_OF_NAME);
        setText(name, room.replace(/^#/, ''));
        const facts = [peopleWords.entryShort[entry] ?? '', isId(members) ? t.peopleLong(members) : '', store.conversations.has(key) ? t.alreadyIn : ''];
        setText(note, facts.filter(Boolean).join(' · '));
        setText(about, isText(topic) ? topic : '');
      });
    setHidden($('#browse-create'), !wanted || found[0]?.rank === WHOLE_NAME);
    setText($('#browse-create'), t.createRoom(`#${wanted}`));
    setHidden($('#browse-more'), this.#browser.next === undefined);
    setText($('#browse-state'), this.#browser.hint || this.#browser.state);
  }

  // -- the window

  #listenWindow() {
    document.addEventListener('keydown', (event) => this.#onKey(event));
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) return;
      session.nudge();
      changed();
    });
    // A page in the back/forward cache keeps its WebSocket, and so the name and the place in the rooms.
    window.addEventListener('pagehide', (event) => session.pause(event.persisted));
    window.addEventListener('pageshow', () => session.resume());
    window.addEventListener('online', () => session.nudge());
    window.addEventListener('focus', changed);
    window.addEventListener('beforeunload', (event) => { if (store.outbox.some((item) => item.state !== 'failed')) event.preventDefault(); });
    for (const query of [NARROW, MEDIUM]) query.addEventListener('change', () => this.#slide(''));
    setInterval(() => this.#drawCountdown(), 1000);
    setInterval(() => this.#everyMinute(), 60_000);
  }

  /** "Today" turns into "yesterday", and who was here may be no more. */
  #everyMinute() {
    const conv = current();
    if (conv && !document.hidden) session.refreshMembers(conv);
    changed();
  }

  #onKey(event) {
    if (document.querySelector('dialog[open]') || event.isComposing) return;
    if (event.altKey && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) {
      event.preventDefault();
      this.#step(event.key === 'ArrowUp' ? -1 : 1);
    } else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
      event.preventDefault();
      this.browse();
    } else if (event.key === 'Escape') {
      if (this.#drawer) return this.#slide('');
      if (store.notice) this.#dismiss();
      else this.#toLatest();
      $('#composer').focus();
    }
  }

  #step(by) {
    const all = [...rooms(), ...directs()];
    if (all.length) this.#open(all[(all.indexOf(current()) + by + all.length) % all.length]);
  }

  #slide(drawer) {
    const before = this.#drawer;
    this.#drawer = drawer;
    this.#layOut();
    if (drawer) ({ rooms: $('#sidebar [aria-current]') || $('#open-browse'), members: $('#close-members') })[drawer].focus();
    else if (before) $(before === 'rooms' ? '#open-sidebar' : '#open-members').focus();
    changed();
  }

  /** What is out of sight must be out of reach of the Tab key as well. */
  #layOut() {
    const sides = { rooms: NARROW.matches, members: MEDIUM.matches };
    if (this.#drawer && !sides[this.#drawer]) this.#drawer = '';
    document.body.dataset.drawer = this.#drawer;
    document.body.classList.toggle('no-people', !sides.members && !this.#membersWide);
    $('#sidebar').inert = sides.rooms ? this.#drawer !== 'rooms' : this.#drawer !== '';
    $('#people').inert = sides.members ? this.#drawer !== 'members' : false;
    $('#main').inert = this.#drawer !== '';
    $('#open-sidebar').setAttribute('aria-expanded', String(this.#drawer === 'rooms'));
    $('#open-members').setAttribute('aria-expanded', String(sides.members ? this.#drawer === 'members' : this.#membersWide));
  }
}

// ---------------------------------------------------------------- Start

const view = new View();
const session = new Session();
const common = {
  store, errorWords, notify, knows,
  changed: () => changed(),
  ask: (frame) => session.ask(frame),
  request: (frame, done, fail) => session.request(frame, done, fail),
  date: (time) => shortDate.format(new Date(timeOf(time))),
  focus: () => view.focusComposer(),
};
const accounts = new Accounts({
  ...common,
  quit: (frame) => session.quit(frame),
  rename: () => view.askName(),
  goOnAsGuest: () => session.goOnAsGuest(),
  reconnect: () => session.reconnect(),
  enter: (room, code) => view.enter(room, code),
  showNew: (names) => session.showNew(names),
  bans: () => order.bans(),
  ignored: () => order.ignoredList(),
});
const roomDialogs = new RoomDialogs({
  ...common, isMe, fold, isolate, bareRoom,
  accounts,
  enter: (room, code) => view.enter(room, code),
  setLevel: (conv, level) => reading.setLevel(conv, level),
  forget: (conv) => session.leave(conv),
});
const order = new Order({
  ...common, isMe, fold,
  message: (name) => view.message(name),
  markUnread: (conv, id) => reading.markUnread(conv, id),
});
const reading = new Reading({ ...common, addressOf, find: conversationOf });
const conversations = new Conversations({
  ...common,
  conversation: (name) => session.keptConversation(name),
  kept: () => directs().filter((conv) => conv.kept),
  current,
  take: (conv, message) => session.takeOlder(conv, message),
  listed: () => knows('unread') && reading.ask(),
  ready: (conv) => session.caughtUp(conv),
});
const FIRST_ROOM = 'lobby';
changed = () => view.schedule();

/** Who we were and where, from memory; the page's address (?name=alice&room=dev) has the last word. */
function begin() {
  const memory = recall(), address = new URLSearchParams(location.search);
  store.wish = bareName(address.get('name') || (isText(memory.name) ? memory.name : ''));
  store.account = isText(memory.account) ? memory.account : '';
  const known = Array.isArray(memory.rooms) ? memory.rooms.filter((room) => room && isText(room.name) && bareRoom(room.name)) : [];
  for (const { name, readId, epoch } of known) {
    const conv = conversation('room', name);
    if (isId(readId) && isText(epoch)) Object.assign(conv, { readId, epoch });
  }
  const wanted = address.get('room');
  if (wanted && bareRoom(wanted)) {
    const isNew = !store.conversations.has(roomKey(wanted)), conv = conversation('room', wanted);
    conv.wanted = isNew;
    session.show(conv);
  }
  else if (!Array.isArray(memory.rooms)) session.show(conversation('room', FIRST_ROOM));
  else session.show(store.conversations.get(memory.current) || rooms()[0] || null);
  view.start();
  accounts.start();
  session.start();
}

begin();

export { fold }; // for the test that holds it to the server's
