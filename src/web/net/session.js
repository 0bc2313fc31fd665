// The dialect chat.v1.json over one connection after another: requests with their answers, and what comes unasked.

import { events, touchedBy } from '../core/events.js';
import { changed, dispatch, notify, store } from '../core/store.js';
import { bytesOf, isText } from '../core/text.js';
import { accountWords, peopleWords, t } from '../words/index.js';
import { Connection } from './connection.js';
import { Identity } from './identity.js';
import { Incoming } from './incoming.js';
import { Lists } from './lists.js';
import { Outgoing } from './outgoing.js';
import { Reading } from './reading.js';
import { ResumeToken } from './resume.js';
import { Rooms } from './rooms.js';
import { Tabs } from './tabs.js';

const PUT_OFF_MS = 120_000; // between tries where the server will not change its mind by itself

/** No other tab has it. */
const TAB = Math.random().toString(36).slice(2, 8).padEnd(6, '0');
/** As long as any other, so that what fits with one fits with the next. */
const refOf = (number) => `${TAB}${String(number).padStart(7, '0')}`;

/**
 * @typedef {object} Page what the session wants of the page
 * @property {(conv: any) => boolean} isReading somebody sees what is said there
 * @property {(conv: any) => boolean} isReadingBack somebody looks at what was said there before
 * @property {() => boolean} isLookedAt somebody is there
 * @property {(conv: any, message: any) => void} said something was said just now
 * @property {(conv: any, id: number) => void} mark a message is to be shown
 * @property {() => void} forget whoever was here is gone
 * @property {() => void} welcomed there is a connection
 * @property {() => void} identified this page is an account's now
 * @property {() => void} ended it was, until now
 * @property {(conv: any) => void} loginRequired this room takes an account
 * @property {(frame: any) => void} asked somebody asks to be let in
 * @property {(frame: any) => void} invited somebody has let this person into a room
 * @property {(frame: any) => void} refused nobody has
 * @property {import('../later.js').Parts} parts what comes later of the page
 */

export class Session {
  #connection;
  #requests = new Map(); // ref -> { done, fail, cut }
  #lastRef = 0;
  #inquiry = 0;
  #admissions = 0; // in a row, without a connection
  #early = /** @type {any[] | null} */ (null); // what came in before somebody could be shown it
  token = new ResumeToken();

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    this.reading = new Reading(this);
    this.lists = new Lists(this);
    this.account = page.parts.account;
    this.history = page.parts.history;
    this.outgoing = new Outgoing(this);
    this.incoming = new Incoming(this);
    this.conversations = page.parts.conversations;
    this.rooms = new Rooms(this);
    this.identity = new Identity(this);
    this.tabs = new Tabs({
      url: () => this.#url(),
      present: (welcome) => this.#present(JSON.parse(welcome)),
      nudge: () => this.nudge(),
      onRead: (what) => this.reading.readElsewhere(what),
      onAfresh: () => this.account.startAfresh(1000),
      isLookedAt: () => this.page.isLookedAt(),
    });
    this.#connection = new Connection({
      dial: () => this.tabs.dial(),
      onState: (state, retryAt) => this.#onState(state, retryAt),
      onFrame: (frame) => (this.#early ? void this.#early.push(frame) : this.#onFrame(frame)),
      onTooBig: () => this.outgoing.tooBig(),
      onSuperseded: () => this.#onSuperseded(),
      onNoEntry: () => this.#inquire(),
      isWaiting: () => this.#requests.size > 0,
      probe: () => this.request({ type: 'rooms', limit: 1 }),
    });
  }

  /** Opens the line ahead of `start`; what comes in waits for that. */
  open() {
    this.#early = [];
    this.#connection.open();
  }

  start() {
    const early = this.#early;
    this.#early = null;
    if (early) for (const frame of early) this.#onFrame(frame);
    else this.#connection.open();
  }

  nudge() { this.#connection.nudge(); }
  pause(isKept) {
    this.reading.tell();
    this.tabs.leave();
    this.#connection.pause(isKept);
  }

  resume() { this.#connection.resume(); }
  reconnect() { this.#connection.drop(); }

  // -- requests

  /** Sends a frame with a ref. `done` gets the answer, `fail` the error (by default the person does); `cut` hears that the line broke. */
  request(frame, done = (_answer) => {}, fail = (error) => notify(error, true), cut = () => {}) {
    const ref = refOf(++this.#lastRef), over = this.excess(frame);
    if (over > 0) {
      queueMicrotask(() => fail({ message: t.tooLong(over) }));
      return ref;
    }
    if (!this.send({ ...frame, ref })) return '';
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

  /** As `request`; that there is no line is an error as well. */
  requestNow(frame, done, fail = (error) => notify(error, true)) {
    const cut = () => fail({ message: t.waitOnline });
    if (!this.request(frame, done, fail, cut)) cut();
  }

  /** Without an answer. */
  send(frame) { return this.#connection.send(frame); }

  /** By how many bytes a frame is over the server's limit; below zero: how many are left. The server counts all of it. */
  excess(frame) {
    return bytesOf(JSON.stringify({ ...frame, ref: refOf(0) })) - (store.limits.message_bytes || Infinity);
  }

  // -- the line comes and goes

  #url() {
    const url = new URL('.', location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const name = store.account ? '' : store.wish || store.name; // a guest would like to stay the same guest
    const fields = { ...(name && { name }), ...(!store.account && { resume: this.token.value }) };
    url.search = Object.entries(fields).map(([field, value]) => `${field}=${encodeURIComponent(value)}`).join('&');
    return url.href;
  }

  #onState(state, retryAt = 0) {
    store.link = state;
    store.retryAt = retryAt;
    if (state === 'offline') this.#cutOff();
    changed();
  }

  #cutOff() {
    this.identity.cut();
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    for (const request of requests) request.cut();
    this.outgoing.cut();
    for (const conv of store.conversations.values()) {
      Object.assign(conv, { stage: 'out', loadingOlder: false, membersAsked: false });
      if (conv.passage) conv.passage.loading = false;
      conv.typing.clear();
    }
  }

  /** A welcome for a tab that comes later: who this is may have changed since. */
  #present(welcome) {
    const { name, role } = store;
    return JSON.stringify({ ...welcome, name, role: role || undefined, resume: role ? undefined : this.token.value || undefined });
  }

  /** Another tab has the name now: this one is somebody new. */
  #onSuperseded() {
    this.token.value = '';
    Object.assign(store, { wish: '', name: '' });
    notify(peopleWords.elsewhere, true);
  }

  async #inquire() {
    const inquiry = ++this.#inquiry;
    const answer = await this.page.parts.admission.ask();
    if (inquiry !== this.#inquiry || store.link === 'online') return;
    this.#admissions = answer === 'admitted' ? this.#admissions + 1 : 0;
    // Once is chance: the server may have come back in between.
    store.refusal = answer === 'admitted' ? (this.#admissions > 1 ? 'socket' : '') : answer;
    if (['origin', 'mode', 'banned'].includes(answer)) this.#connection.putOff(PUT_OFF_MS);
    changed();
  }

  /** This server does not want us: to come again at once would be of no use. */
  #onBanned(error) {
    store.banned = error;
    this.#connection.drop();
    this.#connection.putOff(PUT_OFF_MS);
  }

  // -- what the server says

  #onFrame(frame) {
    const request = frame.ref === undefined ? undefined : this.#requests.get(frame.ref);
    // What another tab has asked for: this one hears what has come of it, as another device does.
    if (frame.ref !== undefined && !request) {
      if (frame.type === 'error') return;
      delete frame.ref;
      frame.isOurs = true;
    }
    const touched = touchedBy(frame);
    if (request) this.#requests.delete(frame.ref);
    try {
      if (frame.type === 'error') this.#onError(frame, request);
      else {
        request?.done(frame);
        for (const handlers of [this.#handlers, events]) if (Object.hasOwn(handlers, frame.type)) handlers[frame.type](frame);
      }
    } catch (error) {
      console.error('chat: a frame was not understood', error);
    }
    changed(...touched);
  }

  #onError(error, request) {
    if (request) request.fail(error);
    else if (error.code === 'session_ended') this.account.sessionEnded(error);
    else if (error.code === 'banned') this.#onBanned(error);
    else notify(error, true);
  }

  #handlers = {
    welcome: (frame) => this.#onWelcome(frame),
    said: (frame) => this.incoming.said(frame),
    direct: (frame) => this.incoming.direct(frame),
    history: (frame) => this.rooms.onReplay(frame),
    joined: (frame) => this.rooms.onJoined(frame),
    left: (frame) => this.rooms.onLeft(frame),
    asked: (frame) => this.page.asked(frame),
    invited: (frame) => this.page.invited(frame),
    refused: (frame) => this.page.refused(frame),
    renamed: (frame) => this.identity.onRenamed(frame),
    account: (frame) => this.identity.onAccount(frame),
    read: (frame) => this.reading.onRead(frame),
    ...Object.fromEntries(['away', 'room', 'role', 'muted', 'unmuted'].map((type) => [type, (frame) => this.page.parts.roomChanges[type](frame)])),
  };

  #onWelcome(frame) {
    if (!isText(frame.name) || !isText(frame.epoch)) return;
    this.#inquiry++;
    this.#admissions = 0;
    const isRestarted = store.epoch !== '' && store.epoch !== frame.epoch;
    Object.assign(store, { refusal: '', banned: null, link: 'online', wasOnline: true, epoch: frame.epoch, limits: { ...frame.limits } });
    store.registration = isText(frame.accounts) ? frame.accounts : '';
    this.token.value = isText(frame.resume) ? frame.resume : '';
    if (isRestarted) dispatch({ type: 'restarted' });
    this.identity.welcomed(frame);
  }
}
