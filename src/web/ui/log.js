// The log: drawing its rows, and keeping in sight what is being read.

import { MESSAGES_KEPT, trim } from '../core/entries.js';
import { rowsOf } from '../core/rows.js';
import { actionOf } from '../core/keymap.js';
import { hasMenu } from '../core/rights.js';
import { changed, current, store } from '../core/store.js';
import { sinceWords } from '../core/time.js';
import { missedOf } from '../core/unread.js';
import { t } from '../words/index.js';
import { $, reconcile, setHidden, setText } from './dom.js';
import { NARROW } from './layout.js';
import { makeRow, updateRow } from './rows/index.js';
import { unfold } from './rows/message.js';
import { copyCode } from './rows/text.js';

const PINNED_PX = 60; // so near the end counts as at the end
const PAGE_SHARE = 0.9; // of the log's height: the last line is seen again
const LINE_GAP_PX = 8; // above the line "New"
const OLDER_PX = 400; // so near the top older messages are fetched

export class Log {
  #shown = null; // key of the conversation in the log
  #pinned = true; // the end of the log is in sight, and is kept so
  #hushTimer = 0;
  #places = new Map(); // key of a conversation -> { id, top }: what was on top when it was left, and where
  #marked = null; // { key, id, isShown }: the message that was searched for, in which conversation

  /** @param {import('./app.js').App} app */
  constructor(app) { this.app = app; }

  listen() {
    const log = $('#log');
    log.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#pinned && this.#toEnd()).observe(log);
    log.addEventListener('keydown', (event) => this.#onLogKey(event));
    $('#latest').addEventListener('click', () => {
      this.toLatest();
      $('#composer').focus();
    });
    $('#missed-jump').addEventListener('click', () => this.jump());
    $('#missed-read').addEventListener('click', () => {
      this.app.session.reading.markRead(current());
      this.toLatest();
      this.app.composer.focus();
    });
    $('#messages').addEventListener('click', (event) => {
      const button = event.target.closest('button'), action = button?.dataset.action;
      if (action === 'copy') return void copyCode(button);
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
    if (entry) this.app.order.messageMenu(conv, entry);
  }

  /** With the keyboard: Enter goes from the log to the menu of its newest message, the arrows to that of another, Escape back. */
  #onLogKey(event) {
    const at = event.target.closest('.more'), log = $('#log');
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = [...log.querySelectorAll('.more')], by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const next = event.target === log && actionOf(event, 'log') === 'menu' ? all.at(-1) : at && by ? all[all.indexOf(at) + by] : null;
    if (at && event.key === 'Escape') {
      event.stopPropagation();
      log.focus();
    } else if (next) {
      event.preventDefault();
      next.focus();
    }
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
    const id = this.#pinned ? conv.reading.newest : this.#lastInSight();
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

  #lastInSight() {
    const bottom = $('#log').getBoundingClientRect().bottom, rows = [...$('#messages').querySelectorAll('[data-id], [data-last]')];
    const row = rows.findLast((node) => node.getBoundingClientRect().bottom <= bottom + 1);
    return row ? Number(row.dataset.id ?? row.dataset.last) : 0;
  }

  #scrolled() {
    const log = $('#log'), conv = current();
    const below = log.scrollHeight - log.scrollTop - log.clientHeight, pinned = below < PINNED_PX && !conv?.passage;
    if (conv?.passage && below < OLDER_PX) this.app.session.history.loadNewer(conv);
    if (pinned !== this.#pinned) {
      this.#pinned = pinned;
      if (pinned && conv) trim(conv, MESSAGES_KEPT);
      changed();
    }
    if (conv && log.scrollTop < OLDER_PX) this.app.session.history.loadOlder(conv);
    this.see(conv);
  }

  /** From a passage, too. */
  toLatest() {
    const conv = current();
    this.#marked = null;
    if (conv?.passage) {
      conv.passage = null;
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

  #prepare(conv) {
    if (this.#shown !== (conv?.key ?? null)) this.#pinned = true;
    if (conv?.passage || (conv && this.#marked?.key === conv.key && !this.#marked.isShown)) this.#pinned = false;
    if (conv && this.isReading(conv)) this.app.session.reading.seeHere(conv);
  }

  draw(conv) {
    const switched = this.#shown !== (conv?.key ?? null);
    if (switched && this.#shown !== null) this.#keepPlace(this.#shown);
    this.#prepare(conv);
    const log = $('#log'), list = $('#messages');
    const waiting = Boolean(conv) && !conv.known;
    this.#shown = conv?.key ?? null;
    const anchor = this.#pinned ? null : this.#firstInSight();
    const anchorTop = anchor?.getBoundingClientRect().top;
    if (switched || conv?.loadingOlder || waiting) this.#hush();
    log.setAttribute('aria-label', conv ? conv.name : t.rooms);
    log.classList.toggle('waiting', waiting);
    log.setAttribute('aria-busy', String(waiting));
    if (switched) list.replaceChildren();
    const rows = conv && !waiting ? rowsOf(conv, store.outbox, store.name) : [];
    reconcile(list, rows, makeRow, (node, row) => updateRow(node, row, {
      conv,
      isMarked: this.#isMarked(row),
      hasMenu: row.type === 'message' && row.id !== undefined && hasMenu(row),
    }));
    if (switched && conv) this.#restorePlace(conv);
    const isElsewhere = conv?.jumps && conv.stage === 'in' && this.#jump(conv);
    if (this.#pinned) this.#toEnd();
    else if (!isElsewhere && anchor?.isConnected) log.scrollTop += anchor.getBoundingClientRect().top - anchorTop;
    this.#showMarked();
    if (conv && log.scrollTop < OLDER_PX) this.app.session.history.loadOlder(conv);
    this.#drawBlank(conv);
    setHidden($('#latest'), this.#pinned || !conv);
    setText($('#latest span'), conv?.unread ? t.latestNew(conv.unread) : t.latest);
    this.see(conv);
    this.#drawMissed(conv);
  }

  /** To the first of what is new, where that is more than fits, so that it is read from its beginning. Returns whether it went there. */
  #jump(conv) {
    const log = $('#log'), isNew = conv.reading && conv.newFrom !== null && (!conv.passage || conv.passage.isNew);
    const line = isNew && $('#messages .new');
    if (isNew && !line && conv.unread > 0 && !conv.passage) this.app.session.history.catchUp(conv);
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
    const node = this.#pinned ? null : this.#firstInSight(), id = node?.dataset.id;
    if (id === undefined) this.#places.delete(key);
    else this.#places.set(key, { id, top: node.getBoundingClientRect().top - $('#log').getBoundingClientRect().top });
  }

  #restorePlace(conv) {
    const place = this.#places.get(conv.key), node = place && conv.unread === 0 && $(`#messages [data-id="${place.id}"]`);
    if (!node) return;
    this.#pinned = false;
    $('#log').scrollTop += node.getBoundingClientRect().top - $('#log').getBoundingClientRect().top - place.top;
  }

  /** Above the log, what is new and not read yet. */
  #drawMissed(conv) {
    const missed = missedOf(conv), words = missed && t.missed(missed.count, missed.since && sinceWords(missed.since));
    setHidden($('#missed'), !missed);
    if (words) setText($('#missed span'), words);
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

  #unfold(node) {
    this.#hush();
    unfold(node, () => this.#scrolled());
    if (document.activeElement === document.body) $('#log').focus({ preventScroll: true });
    this.#scrolled();
  }
}
