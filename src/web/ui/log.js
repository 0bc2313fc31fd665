// The log: drawing its rows, and keeping in sight what is being read.

import { MESSAGES_KEPT, trim } from '../core/entries.js';
import { rowsOf, windowOf } from '../core/rows.js';
import { changed, current, store } from '../core/store.js';
import { monotonic } from '../core/time.js';
import { t } from '../words/index.js';
import { $, reconcile, rowKeyOf, setHidden, setText } from './dom.js';
import { NARROW } from './layout.js';
import { makeRow, updateRow } from './rows/index.js';
import { firstInSight, lastInSight } from './rows/sight.js';

const PINNED_PX = 60; // so near the end counts as at the end
const PAGE_SHARE = 0.9; // of the log's height: the last line is seen again
const LINE_GAP_PX = 8; // above the line "New"
const OLDER_PX = 400; // so near the top older messages are drawn or fetched, and newer ones near the end
const ROWS_DRAWN = 150; // at least: the others come back when they are scrolled to
const ROW_PX = 8; // of the log's height for each of them: three times as many as fit
const CALM_MS = 1000; // what comes in sooner after something else is there at once, and does not rise

export class Log {
  #shown = null; // key of the conversation in the log
  #pinned = true; // the end of the log is in sight, and is kept so
  #hushTimer = 0;
  #rows = { first: /** @type {string | null} */ (null), from: 0, isLast: true }; // those that are drawn
  #arrived = -CALM_MS; // when the last row came in
  #places = new Map(); // key of a conversation -> { id, top }: what was on top when it was left, and where
  #marked = null; // { key, id, isShown }: the message that was searched for, in which conversation

  /** @param {import('./app.js').App} app */
  constructor(app) { this.app = app; }

  listen() {
    const log = $('#log');
    log.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#pinned && this.#toEnd()).observe(log);
    $('#latest').addEventListener('click', () => {
      this.toLatest();
      $('#composer').focus();
    });
    $('#messages').addEventListener('click', (event) => {
      const button = event.target.closest('button'), action = button?.dataset.action;
      if (action === 'copy') return void this.app.parts.textActs.copyCode(button);
      if (action === 'unfold') return this.#unfold(event.target.closest('li'));
      if (action === 'more') return this.#openMessage(event.target.closest('li'));
      const key = event.target.closest('li')?.dataset.pending;
      const item = key && store.outbox.find((other) => other.key === key);
      if (item && action === 'again') this.app.session.outgoing.sendAgain(item.key);
      if (item && action === 'discard') this.app.session.outgoing.discard(item.key);
    });
  }

  #openMessage(node) {
    const conv = current(), id = Number(node.dataset.id);
    const entry = (conv?.passage?.entries ?? conv?.entries)?.findLast((one) => one.type === 'message' && one.id === id);
    if (entry) this.app.parts.order.messageMenu(conv, entry);
  }

  /** Whether somebody is there to see what comes in: that takes the focus of the window. */
  #isThere(conv) {
    if (conv.key !== store.current || conv.isHeld || (conv.reading && conv.jumps) || document.hidden || !document.hasFocus()) return false;
    return !(NARROW.matches && this.app.layout.drawer) && !document.querySelector('dialog[open]');
  }

  isReading(conv) { return this.#pinned && this.#isThere(conv); }

  isReadingBack(conv) { return conv.key === store.current && !this.#pinned; }

  /** So many pages down; up if below zero. */
  turn(pages) { $('#log').scrollBy({ top: pages * $('#log').clientHeight * PAGE_SHARE }); }

  /** To the end, as soon as it is drawn. */
  pin() { this.#pinned = true; }

  /** The newest message in sight has been read, if somebody is there. What was searched for is not what is new. */
  see(conv) {
    if (!conv?.reading || conv.unread === 0 || conv.stage !== 'in' || (conv.passage && !conv.passage.isNew) || !this.#isThere(conv)) return;
    const id = this.#pinned ? conv.reading.newest : lastInSight();
    if (id) this.app.session.reading.see(conv, id);
  }

  /** Somebody looks at the window again: what came in meanwhile is read from its beginning. */
  comeBack() {
    const conv = current();
    if (this.#pinned && conv?.reading && conv.unread > 0 && !conv.isHeld) Object.assign(conv, { jumps: true, isBehind: conv.newFrom !== null });
  }

  /** To the first of what is new. */
  jump() {
    const conv = current();
    if (!conv) return;
    conv.jumps = true;
    if (conv.passage && !conv.passage.isNew) conv.passage = null;
    this.app.draw();
  }

  #scrolled() {
    const log = $('#log'), conv = current();
    if (conv && (log.scrollTop < OLDER_PX && this.#rows.from > 0 || this.#below() < OLDER_PX && !this.#rows.isLast)) this.#drawOthers(conv);
    const below = this.#below(), pinned = below < PINNED_PX && !conv?.passage && this.#rows.isLast;
    if (conv?.passage && below < OLDER_PX) this.app.session.history.loadNewer(conv);
    if (pinned !== this.#pinned) {
      this.#pinned = pinned;
      if (pinned && conv) trim(conv, MESSAGES_KEPT);
      changed();
    }
    this.#loadOlder(conv);
    this.see(conv);
  }

  #below() {
    const { scrollHeight, scrollTop, clientHeight } = $('#log');
    return scrollHeight - scrollTop - clientHeight;
  }

  #loadOlder(conv) { if (conv && this.app.later.isHere && this.#rows.from === 0 && $('#log').scrollTop < OLDER_PX) this.app.session.history.loadOlder(conv); }

  /** The rows around those in sight. */
  #drawOthers(conv) {
    this.#pinned = false;
    this.#rows.first = null;
    this.draw(conv);
  }

  /** From a passage, too. */
  toLatest() {
    const conv = current();
    this.#marked = null;
    if (conv?.passage || !this.#rows.isLast) {
      if (conv) conv.passage = null;
      this.#pinned = true;
      this.app.draw();
    }
    this.#toEnd();
  }

  /** Scrolls to a message, which is in the log as soon as that is drawn, and marks it. */
  mark(conv, id) {
    this.#marked = { key: conv.key, id, isShown: false };
    changed();
  }

  #isMarked(row) { return row.id !== undefined && row.id === this.#marked?.id && row.epoch === current()?.epoch && this.#marked.key === store.current; }

  #isToBeShown() { return this.#marked !== null && !this.#marked.isShown && this.#marked.key === store.current; }

  #showMarked() {
    const marked = this.#marked;
    if (!marked || !this.#isToBeShown()) return;
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

  #prepare(conv) {
    if (this.#shown !== (conv?.key ?? null)) this.#pinned = true;
    if (conv?.passage || this.#isToBeShown()) this.#pinned = false;
    if (conv && this.isReading(conv)) this.app.session.reading.seeHere(conv);
  }

  draw(conv) {
    const switched = this.#shown !== (conv?.key ?? null);
    if (switched && this.#shown !== null) this.#keepPlace(this.#shown);
    this.#prepare(conv);
    const log = $('#log'), list = $('#messages');
    const waiting = Boolean(conv) && !conv.known;
    this.#shown = conv?.key ?? null;
    const anchor = this.#pinned ? null : firstInSight();
    const anchorTop = anchor?.getBoundingClientRect().top, before = this.#rows, newest = list.lastElementChild;
    if (switched || conv?.loadingOlder || waiting) this.#hush();
    log.setAttribute('aria-label', conv ? conv.name : t.rooms);
    log.classList.toggle('waiting', waiting);
    log.setAttribute('aria-busy', String(waiting));
    if (switched) list.replaceChildren();
    const rows = conv && !waiting ? rowsOf(conv, store.outbox, store.name) : [];
    const { from, to } = windowOf(rows, { at: this.#keyInSight(conv, rows, switched, anchor), first: switched ? null : before.first, size: Math.max(ROWS_DRAWN, Math.ceil(log.clientHeight / ROW_PX)) });
    this.#rows = { first: rows[from]?.key ?? null, from, isLast: to === rows.length };
    if (!this.#pinned && from !== before.from) this.#hush();
    reconcile(list, rows.slice(from, to), makeRow, (node, row) => updateRow(node, row, {
      conv,
      isMarked: this.#isMarked(row),
      hasMenu: row.type === 'message' && row.id !== undefined,
    }));
    if (switched && conv) this.#restorePlace(conv);
    const isElsewhere = conv?.jumps && conv.stage === 'in' && this.#jump(conv);
    if (this.#pinned) this.#toEnd();
    else if (!isElsewhere && anchor?.isConnected) log.scrollTop += anchor.getBoundingClientRect().top - anchorTop;
    if (!switched && this.#pinned) this.#raise(newest);
    this.#showMarked();
    this.#loadOlder(conv);
    this.#drawBlank(conv);
    setHidden($('#latest'), this.#pinned || !conv);
    setText($('#latest span'), conv?.unread ? t.latestNew(conv.unread) : t.latest);
    this.see(conv);
  }

  /** The key of the row around which others are drawn; null for the end. */
  #keyInSight(conv, rows, switched, anchor) {
    const keyOf = (id) => (id && rows.find((row) => row.id === id && row.epoch === conv.epoch)?.key) || null;
    if (this.#isToBeShown()) return keyOf(this.#marked?.id);
    if (conv?.jumps && conv.stage === 'in' && conv.newFrom !== null) return rows.some(({ key }) => key === 'new') ? 'new' : null;
    if (switched) return keyOf(this.#placeOf(conv)?.id);
    return this.#pinned ? null : anchor ? rowKeyOf(anchor) : this.#rows.first;
  }

  /** What comes in rises, but not while more comes than that anybody could see it. */
  #raise(newest) {
    const last = $('#messages').lastElementChild, now = monotonic();
    if (!newest || !last || last === newest) return;
    if (now - this.#arrived > CALM_MS) last.dataset.rises = '';
    this.#arrived = now;
  }

  /** To the first of what is new, where that is more than fits, so that it is read from its beginning. Returns whether it went there. */
  #jump(conv) {
    const log = $('#log'), isNew = conv.reading && conv.newFrom !== null && (!conv.passage || conv.passage.isNew);
    const line = isNew && $('#messages .new');
    if (isNew && !line && conv.unread > 0 && !conv.passage) {
      // As long as it jumps, nothing of it is read.
      if (!this.app.later.isHere) return false;
      this.app.session.history.catchUp(conv);
    }
    conv.jumps = conv.isCatchingUp;
    if (!line) return false;
    const above = line.getBoundingClientRect().top - $('#messages').getBoundingClientRect().top;
    if (log.scrollHeight - above <= log.clientHeight) return false;
    this.#pinned = false;
    log.scrollTop = above - LINE_GAP_PX;
    return true;
  }

  /** Where somebody reads back in a conversation, they find it again. */
  #keepPlace(key) {
    const node = this.#pinned ? null : firstInSight(), id = Number(node?.dataset.id);
    if (!id) this.#places.delete(key);
    else this.#places.set(key, { id, top: node.getBoundingClientRect().top - $('#log').getBoundingClientRect().top });
  }

  #placeOf(conv) { return conv?.unread === 0 ? this.#places.get(conv.key) : undefined; }

  #restorePlace(conv) {
    const place = this.#placeOf(conv), node = place && $(`#messages [data-id="${place.id}"]`);
    if (!node) return;
    this.#pinned = false;
    $('#log').scrollTop += node.getBoundingClientRect().top - $('#log').getBoundingClientRect().top - place.top;
  }

  /** Filling the log with what is old must not make a screen reader read it all out. */
  #hush() {
    const log = $('#log');
    log.setAttribute('aria-live', 'off');
    clearTimeout(this.#hushTimer);
    this.#hushTimer = setTimeout(() => log.setAttribute('aria-live', 'polite'), 600);
  }

  #drawBlank(conv) {
    setHidden($('#blank'), Boolean(conv));
    if (conv) return;
    setText($('#blank h2'), t.blankTitle);
    setText($('#blank p'), t.blankText);
  }

  #unfold(node) {
    this.#hush();
    this.app.parts.textActs.unfold(node, () => this.#scrolled());
    if (document.activeElement === document.body) $('#log').focus({ preventScroll: true });
    this.#scrolled();
  }
}
