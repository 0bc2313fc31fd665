// The tabs of one person in one browser share one connection. The *first* of them holds a lock and has the WebSocket; what comes
// it passes on, and what the others send. Who is first goes away, and the lock goes to another, which comes back by the token that
// all of them know. Where there are no locks (a page by http from elsewhere), each tab is somebody by itself.

import { store } from '../core/store.js';
import { SUPERSEDED } from './connection.js';

const PROTOCOL = 'chat.v1.json';
const PATIENCE_MS = 2500; // a first tab that is silent for so long is frozen, and the lock is taken from it
const LOOK_MS = 50; // for others to say that somebody looks at them
const LINGER_MS = 5000; // for the next one to come back before a connection that is handed over ends
const [CONNECTING, OPEN, CLOSED] = [0, 1, 3]; // as a WebSocket has them

/** What a tab has in place of a WebSocket: it opens with the first frame. */
class Line {
  readyState = CONNECTING;
  onopen = () => {};
  onmessage = (_event) => {};
  onclose = (_event) => {};
  #tabs;

  constructor(tabs) { this.#tabs = tabs; }

  send(data) { this.#tabs.send(data); }
  close() { this.#tabs.hangUp(this); }

  heard(data) {
    if (this.readyState === CONNECTING) {
      this.readyState = OPEN;
      this.onopen();
    }
    if (this.readyState === OPEN) this.onmessage({ data });
  }

  closed(code) {
    this.readyState = CLOSED;
    this.onclose({ code });
  }
}

export class Tabs {
  #owner;
  #channel = /** @type {BroadcastChannel | null} */ (null);
  #seat = /** @type {AbortController | null} */ (null); // aborted, it gives the lock back, or the place in the queue for it
  #isAlone = !navigator.locks;
  #isFirst = false;
  #isShared = false; // others have asked
  #line = /** @type {Line | null} */ (null); // of this tab
  #socket = /** @type {WebSocket | null} */ (null); // of the first one
  #welcome = ''; // the first frame on it
  #patience = 0;
  #lookedAt = 0; // times that others have said so

  /** `owner`: url(); present(welcome): as it would be told now; nudge(): try now, or find out whether the line lives; onRead(what), onAfresh(): in another tab; isLookedAt() */
  constructor(owner) { this.#owner = owner; }

  /** A WebSocket, or what looks like one. */
  dial() {
    if (this.#isAlone) return new WebSocket(this.#owner.url(), PROTOCOL);
    if (!this.#seat) this.#enlist();
    const line = this.#line = new Line(this);
    if (this.#isFirst) this.#open();
    else this.#ask();
    return line;
  }

  send(data) {
    if (!this.#isFirst) this.#post({ send: data });
    else if (this.#socket?.readyState === OPEN) this.#socket.send(data);
  }

  /** The first one ends the connection; another tells that it has doubts about it. */
  hangUp(line) {
    if (line !== this.#line) return;
    this.#line = null;
    const socket = this.#socket;
    this.#socket = null;
    this.#post(socket ? { closed: true } : { doubts: true });
    socket?.close();
  }

  /** This page is put away: another tab is first. What nobody shares ends with it. */
  leave() {
    if (this.#isShared) this.#handOver();
    this.#isFirst = false;
    this.#seat?.abort();
    this.#seat = null;
  }

  /** Something was read here. */
  tellRead(what) { this.#post({ read: what }); }

  /** Who this is has gone. */
  tellAfresh() { this.#post({ afresh: true }); }

  /** In one tab alone, and where nobody looks at another. */
  ifAlone(act) {
    if (!this.#isAlone && !this.#isFirst) return;
    if (!this.#isShared) return act();
    const before = this.#lookedAt;
    this.#post({ whoLooks: true });
    setTimeout(() => this.#lookedAt === before && act(), LOOK_MS);
  }

  #post(news) { this.#channel?.postMessage(news); }

  // -- who is first

  #enlist(steal = false) {
    const name = `chat.v1 ${new URL('.', location.href).pathname} ${store.line}`;
    if (!this.#channel) {
      this.#channel = new BroadcastChannel(name);
      this.#channel.onmessage = ({ data }) => this.#heard(data);
    }
    this.#seat?.abort();
    const seat = this.#seat = new AbortController(), { signal } = seat;
    const hold = () => seat === this.#seat && new Promise((resolve) => {
      signal.addEventListener('abort', resolve);
      this.#promoted();
    });
    navigator.locks.request(name, steal ? { steal } : { signal }, hold).catch(() => {
      if (seat !== this.#seat) return;
      if (this.#isFirst) return this.#demoted();
      this.#isAlone = true; // this browser keeps its locks from this page
      this.#lost();
    });
  }

  /** The others, if there are any, have lost their line. */
  #promoted() {
    this.#isFirst = true;
    this.#isShared = false;
    clearTimeout(this.#patience);
    this.#post({ closed: true });
    if (this.#line?.readyState === CONNECTING) return this.#open();
    this.#lost();
    this.#owner.nudge();
  }

  /** Another tab has taken the lock, or has come back already: this one was frozen, and follows now. */
  #demoted() {
    this.#isFirst = false;
    this.#handOver();
    this.#lost();
    this.#enlist();
  }

  /** To say goodbye on this connection would end more than it: the next one comes back on its own. */
  #handOver() {
    const socket = this.#socket;
    this.#socket = null;
    setTimeout(() => socket?.close(), LINGER_MS);
  }

  // -- the line

  #open() {
    const socket = this.#socket = new WebSocket(this.#owner.url(), PROTOCOL);
    this.#welcome = '';
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      if (this.#isShared) this.#post(this.#welcome ? { frame: data } : { welcome: data });
      this.#welcome ||= data;
      this.#line?.heard(data);
    };
    socket.onclose = ({ code }) => {
      if (socket !== this.#socket) return;
      this.#socket = null;
      if (code === SUPERSEDED) return this.#demoted();
      this.#post({ closed: true });
      this.#lost(code);
    };
  }

  #lost(code = 0) {
    const line = this.#line;
    this.#line = null;
    line?.closed(code);
  }

  /** Asks the first one for its line. */
  #ask() {
    this.#post({ ask: true });
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.#line?.readyState === CONNECTING && this.#enlist(true), PATIENCE_MS);
  }

  #heard(news) {
    if (news.read) this.#owner.onRead(news.read);
    if (news.afresh) this.#owner.onAfresh();
    if (news.whoLooks && this.#owner.isLookedAt()) this.#post({ looked: true });
    if (news.looked) this.#lookedAt++;
    if (this.#isFirst) this.#serve(news);
    else this.#follow(news);
  }

  #serve({ ask, send, doubts }) {
    if (send) this.send(send);
    if (doubts) this.#owner.nudge();
    if (!ask) return;
    this.#isShared = true;
    this.#post({ here: true, welcome: this.#socket && this.#welcome ? this.#owner.present(this.#welcome) : '' });
  }

  #follow({ here, welcome, frame, closed }) {
    if (here || welcome) clearTimeout(this.#patience);
    if (closed && this.#line?.readyState === OPEN) this.#lost();
    if (welcome && !this.#line && this.#seat) this.#owner.nudge();
    else if (welcome && this.#line?.readyState === CONNECTING) this.#line.heard(welcome);
    if (frame && this.#line?.readyState === OPEN) this.#line.heard(frame);
  }
}
