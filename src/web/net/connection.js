// One WebSocket at a time: backoff, and noticing a dead line.

import { isText } from '../core/text.js';
import { monotonic } from '../core/time.js';

const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 30_000;
const OPEN_MS = 10_000; // a handshake that takes longer will not succeed
const ANSWER_MS = 15_000; // silence while an answer is due: the line is dead
const QUIET_MS = 45_000; // silence while nothing is due: ask something, to find out
const STABLE_MS = 5_000; // a connection that lived so long starts the backoff over
const CHECK_MS = 5_000;
const WAKE_MS = 2_500; // silence after a waking: the line is dead, and somebody may look at the page
const TOO_BIG = 1009; // RFC 6455 7.4.1: a message was longer than the server takes
export const SUPERSEDED = 4000; // the guest of this page has come back on another connection

/** Keeps one WebSocket open. A browser does not show pings, so a dead line shows by answers that stay away. */
export class Connection {
  #socket = null;
  #timer = 0;
  #attempts = 0;
  #openedAt = 0; // this and the following are monotonic; 0: not yet
  #heardAt = 0;
  #askedAt = 0;
  #checked = { at: monotonic(), wall: Date.now() };
  #excused = false;
  #paused = false;
  #waking = 0; // a timer
  #heard = 0; // frames, on any connection

  /** `owner`: dial() makes a WebSocket, onState(state, retryAt), onFrame(object), onTooBig(), onSuperseded(), onNoEntry(), isWaiting(), probe() */
  constructor(owner) {
    this.owner = owner;
    setInterval(() => this.#check(), CHECK_MS);
  }

  open() {
    clearTimeout(this.#timer);
    if (this.#socket || this.#paused) return;
    this.owner.onState('connecting');
    const socket = this.owner.dial();
    this.#socket = socket;
    this.#openedAt = 0;
    this.#timer = setTimeout(() => this.drop(), OPEN_MS);
    // A socket that was given up may still speak: whatever it says is no longer heard.
    socket.onopen = () => socket === this.#socket && this.#opened();
    socket.onmessage = (event) => socket === this.#socket && this.#received(event.data);
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

  /** Somebody looks at the page again, or the network is back: try now, or find out soon whether the line still lives. */
  nudge() {
    this.resume();
    if (!this.#socket) this.open();
    else if (this.#openedAt) this.#wake();
  }

  /**
   * Asks something. How long nothing was heard until now says little: some clocks stand still while a machine sleeps. Who
   * slept again before the answer was read asks once more.
   */
  #wake(isAgain = false) {
    if (this.#waking) return;
    const socket = this.#socket, heard = this.#heard, at = monotonic(), wall = Date.now();
    this.#askedAt = at;
    this.owner.probe();
    this.#waking = setTimeout(() => {
      this.#waking = 0;
      if (socket !== this.#socket || heard !== this.#heard) return;
      const isLate = Math.max(monotonic() - at, Date.now() - wall) > 2 * WAKE_MS;
      if (isLate && !isAgain) return this.#wake(true);
      this.drop();
      this.open();
    }, WAKE_MS);
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

  #received(data) {
    this.#heardAt = monotonic();
    this.#heard++;
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
    if (isLate) return this.#wake();
    if (this.owner.isWaiting()) {
      if (monotonic() - Math.max(this.#heardAt, this.#askedAt) > ANSWER_MS) this.drop();
    } else if (monotonic() - this.#heardAt > QUIET_MS) this.owner.probe();
  }

  /**
   * The machine slept, or the page did, and perhaps nothing else tells so: a window that stays in sight is not shown anew. What
   * came in meanwhile may not have been read yet, so nobody is judged by this check. Some clocks stand still in a sleep, the time
   * of day goes on. Timers of a page in the background are always late, which is why no two checks in a row are excused.
   */
  #isLate() {
    const at = monotonic(), wall = Date.now();
    const late = Math.max(at - this.#checked.at, wall - this.#checked.wall) > 3 * CHECK_MS;
    this.#checked = { at, wall };
    this.#excused = late && !this.#excused;
    return this.#excused;
  }
}
