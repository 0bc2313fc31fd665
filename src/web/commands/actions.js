// What the page does for a command of the server's table.

import { roomKey } from '../core/names.js';
import { conversation, notify, store } from '../core/store.js';
import { isolate } from '../core/text.js';
import { sinceWords, timeOf } from '../core/time.js';
import { accountWords, errorWords, peopleWords, t } from '../words/index.js';

/** What is done to the room that is shown. */
const inRoom = (conv, act) => void (conv?.kind === 'room' ? act() : notify(t.notHere, true));

/** A name may have an `@` before it. */
const firstOf = (rest) => rest.split(/\s/)[0].replace(/^[@＠﹫]/, '');

/** NAME [MINUTES] [REASON], as they are typed. */
function sentenceOf(text) {
  const [, name, minutes = '', reason = ''] = /^[@＠﹫]?(\S*)(?:\s+(\d+)(?!\S))?\s*([^]*)$/.exec(text) ?? [];
  return [name, minutes, reason];
}

/** [#ROOM] SETTING VALUE, as they are typed, as the request for it; false where they are not right. */
function settingOf(text, conv) {
  const [, room = conv?.kind === 'room' && conv.name, key = '', typed = ''] = /^(?:([#＃]\S+)\s+)?(\S+)\s+(\S+)$/.exec(text.trim()) ?? [];
  const setting = key.toLowerCase().replace('-', '_'), yes = { yes: true, no: false }[typed.toLowerCase()];
  const value = ['listed', 'archived'].includes(setting) ? yes : ['entry', 'newcomers_see', 'posting', 'invites'].includes(setting) ? typed : undefined;
  return room && value !== undefined && { type: 'room', room, [setting]: value };
}

/** Who somebody is, in a line. */
function whoisWords({ name, bot, account, online, since, rooms, away, offset, time }) {
  const words = peopleWords.whois;
  const at = offset === undefined ? '' : new Date(timeOf(time) + offset * 60000).toISOString().slice(11, 16);
  const here = since === undefined ? online === false && accountWords.away : words.since(sinceWords(timeOf(since)));
  const parts = [words[bot ? 'bot' : account ? 'account' : 'guest'], here, rooms && words.rooms(rooms.join(t.comma)), away !== undefined && words.away(away), at && words.clock(at)];
  return words.all(isolate(name), parts.filter(Boolean).join(t.comma));
}

/**
 * By the command's name: (arguments, conversation); returning false means that the arguments were not right.
 *
 * @param {import('../ui/app.js').App} app
 */
export function actionsOf({ members, parts, session }) {
  const { accountMenu: menu, accounts, address, help, marking, order, roomDialogs, search, switcher } = parts;
  /** What takes an account; a guest is asked to log in. */
  const ofAccount = (act) => void (store.role ? act() : accounts.login());
  return {
    nick: (rest) => rest !== '' && void session.account.rename(rest).then((error) => error && notify(errorWords(error), true)),
    join: (rest) => {
      const [room, code] = rest.split(/\s+/);
      return room !== '' && session.rooms.join(room, code);
    },
    leave: (rest, conv) => {
      const target = rest ? store.conversations.get(roomKey(rest)) : conv;
      if (target) session.rooms.leave(target);
      else notify(t.notIn(rest), true);
    },
    msg: (rest) => {
      const [, name, text] = /^[@＠﹫]?(\S+)\s+([^]+)$/.exec(rest) || [];
      if (!name) return false;
      const conv = conversation('direct', name);
      session.outgoing.say(conv, text);
      session.rooms.show(conv);
    },
    me: (rest, conv) => {
      if (!rest) return false;
      inRoom(conv, () => session.outgoing.say(conv, rest, 'me'));
    },
    topic: (rest, conv) => inRoom(conv, () => {
      if (rest) session.rooms.setTopic(conv, rest).catch((error) => notify(errorWords(error), true));
      else notify(conv.topic ? t.topicIs(conv.name, conv.topic) : t.topicNone(conv.name));
    }),
    who: (_, conv) => inRoom(conv, () => members.show()),
    whois: (rest) => rest !== '' && void session.ask({ type: 'whois', name: firstOf(rest) }).then((person) => notify(whoisWords(person)), (error) => notify(errorWords(error), true)),
    away: (rest) => void session.request(rest || !store.isAway ? { type: 'away', text: rest } : { type: 'back' }, () => {}, (error) => notify(errorWords(error), true)),
    back: () => void session.request({ type: 'back' }, () => {}),
    rooms: () => switcher.open(),
    search: (rest) => search.open(rest),
    help: () => help.open(),
    login: (rest) => (store.role ? menu.open() : accounts.login(firstOf(rest))),
    register: (rest) => (store.role ? menu.open() : accounts.register(...rest.split(/\s+/).filter(Boolean).reverse())),
    logout: () => void (store.role ? menu.logout() : accounts.leaveBehind()),
    account: () => ofAccount(() => menu.open()),
    password: () => ofAccount(() => menu.password()),
    sessions: () => ofAccount(() => menu.sessions()),
    token: () => ofAccount(() => menu.sessions()),
    invite: (_, conv) => ofAccount(() => (conv?.kind === 'room' ? roomDialogs.invite(conv) : menu.invite())),
    invitations: () => ofAccount(() => menu.invite()),
    confirm: (rest) => ofAccount(() => menu.terminal(firstOf(rest))),
    reset: (rest) => ofAccount(() => menu.reset(firstOf(rest))),
    role: (rest) => ofAccount(() => menu.roles(...rest.split(/\s+/))),
    'delete-account': () => ofAccount(() => menu.deletion()),
    room: (rest, conv) => {
      if (!rest) return inRoom(conv, () => roomDialogs.menu(conv));
      const change = settingOf(rest, conv);
      return change && void session.ask(change).then(() => notify(peopleWords.saved(change.room)), (error) => notify(errorWords(error), true));
    },
    rename: (rest, conv) => inRoom(conv, () => roomDialogs.rename(conv, rest)),
    'delete-room': (_, conv) => inRoom(conv, () => roomDialogs.deletion(conv)),
    keep: (_, conv) => inRoom(conv, () => roomDialogs.keep(conv)),
    accept: (rest, conv) => rest !== '' && inRoom(conv, () => roomDialogs.admit(conv, firstOf(rest))),
    refuse: (rest, conv) => rest !== '' && inRoom(conv, () => roomDialogs.refuse(conv, firstOf(rest))),
    kick: (rest, conv) => rest !== '' && inRoom(conv, () => order.remove(conv, ...sentenceOf(rest))),
    mute: (rest, conv) => rest !== '' && inRoom(conv, () => order.mute(conv, ...sentenceOf(rest))),
    unmute: (rest, conv) => rest !== '' && inRoom(conv, () => order.unmute(conv, firstOf(rest))),
    ban: (rest) => order.ban(...sentenceOf(rest)),
    unban: () => order.bans(),
    bans: () => order.bans(),
    ignore: (rest) => (rest ? order.ignore(firstOf(rest)) : order.ignoredList()),
    unignore: (rest) => rest !== '' && order.unignore(firstOf(rest)),
    report: (rest, conv) => {
      const last = conv?.entries.findLast((entry) => entry.type === 'message' && entry.id !== undefined && !entry.own);
      if (last) order.report(conv, last, rest.replace(/^-?\d+\s*/, ''));
      else notify(t.notHere, true);
    },
    delete: (_, conv) => {
      const last = conv?.entries.findLast((entry) => entry.type === 'message' && entry.id !== undefined && entry.own && !entry.isDeleted);
      if (last) order.deletion(conv, last);
      else notify(t.notHere, true);
    },
    unread: () => ofAccount(() => notify(marking.summary())),
    level: (rest, conv) => ofAccount(() => inRoom(conv, () => (rest ? marking.setLevel(conv, rest) : roomDialogs.levels(conv)))),
    conversations: () => address.showConversations(),
  };
}
