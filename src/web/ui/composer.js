// The message box.

import { commandOf, messageIn, refuseLong } from '../core/draft.js';
import { actionOf } from '../core/keymap.js';
import { silence } from '../core/rights.js';
import { current, changed, store } from '../core/store.js';
import { isolate, linesOf, saidOf } from '../core/text.js';
import { monotonic } from '../core/time.js';
import { t } from '../words/index.js';
import { $, setText } from './dom.js';

const PASTED_LINES_MAX = 20; // more is asked about

export class Composer {
  #measured = { of: '', excess: -Infinity };

  /** @param {import('./app.js').App} app */
  constructor(app) { this.app = app; }

  listen() {
    const composer = $('#composer');
    $('#compose').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    // The focus stays in the message box, and a phone's keyboard where it is.
    $('#send').addEventListener('mousedown', (event) => event.preventDefault());
    composer.addEventListener('keydown', (event) => {
      if (this.#act(actionOf(event, 'composer'), event)) event.preventDefault();
    });
    composer.addEventListener('paste', (event) => this.#pasted(event));
    composer.addEventListener('input', () => {
      this.#grow();
      this.app.later.drop();
      const conv = current();
      if (conv && composer.value.trim() && !/^[/／]/.test(composer.value)) this.app.session.outgoing.typing(conv);
      changed('composer');
    });
  }

  /** What has many lines is asked about before it is pasted. */
  #pasted(event) {
    const text = event.clipboardData?.getData('text/plain').replace(/\r\n?/g, '\n') ?? '';
    if (linesOf(text.trimEnd()) <= PASTED_LINES_MAX) return;
    event.preventDefault();
    this.app.parts.paste.ask(text);
  }

  /** Returns whether the key has been used. */
  #act(action, { key, shiftKey, ctrlKey, metaKey }) {
    switch (action) {
      case 'send':
        if (store.settings.enter === 'line' && key === 'Enter' && !ctrlKey && !metaKey) return false;
        this.#submit();
        return true;
      case 'page':
        this.app.log.turn(key === 'PageUp' ? -1 : 1);
        return true;
      case 'complete': return this.#complete(shiftKey ? -1 : 1);
      case 'recall': return this.#recall(key === 'ArrowUp' ? -1 : 1);
      default: return false;
    }
  }

  /** Otherwise Tab goes on to what comes next. */
  #complete(by) {
    const { later, parts } = this.app;
    if (later.isHere) return this.#changed(parts.completion.step(by));
    if (!$('#composer').value) return false;
    later.when(() => this.#complete(by));
    return true;
  }

  #recall(by) {
    const composer = $('#composer'), { later, parts } = this.app;
    const line = later.isHere ? parts.recall.step(by, composer.value) : undefined;
    if (line !== undefined) composer.value = line;
    return this.#changed(line !== undefined);
  }

  #changed(isOther) {
    if (isOther) this.#grow();
    if (isOther) changed('composer');
    return isOther;
  }

  #submit() {
    const composer = $('#composer'), draft = composer.value;
    const conv = current();
    if (commandOf(draft) !== null && !this.app.later.isHere) return this.app.later.when(() => composer.value === draft && this.#submit());
    composer.value = ''; // first, since a command may open another conversation, with a draft of its own
    if (this.#send(conv, draft)) {
      if (conv) conv.draft = '';
      this.app.later.unasked.recall.add(draft);
      composer.value = current() === conv ? '' : current()?.draft ?? '';
      this.app.log.pin();
      if (store.notice?.error) store.notice = null;
    } else composer.value = draft;
    this.#grow();
    this.app.draw();
    if (!document.querySelector('dialog[open]') && !this.app.layout.drawer) this.focus();
  }

  /** Returns whether the draft is done with. */
  #send(conv, draft) {
    const text = saidOf(draft), command = commandOf(draft);
    if (!text || refuseLong(text, this.#excessOf(conv, text))) return false;
    if (command !== null) return this.app.parts.commands.run(command, conv);
    if (conv) this.app.session.outgoing.say(conv, messageIn(draft));
    return Boolean(conv);
  }

  #excessOf(conv, text) { return this.app.session.outgoing.excess(conv, text); }

  /**
   * As high as what is in it, where the browser does not see to that. It is measured in another box: to try it in this one would
   * lay out the whole log twice.
   */
  #grow() {
    if (CSS.supports('field-sizing', 'content')) return;
    const composer = $('#composer'), measure = $('#measure');
    measure.value = composer.value;
    const height = `${measure.scrollHeight + composer.offsetHeight - composer.clientHeight}px`; // with its border
    if (composer.style.height !== height) composer.style.height = height;
  }

  /** Not where a keyboard would slide over what there is to read. */
  focus() {
    if (!matchMedia('(pointer: coarse)').matches) $('#composer').focus({ preventScroll: true });
  }

  /** Puts aside what is being written, until its conversation is shown again. */
  stash() {
    const conv = current();
    if (conv) conv.draft = $('#composer').value;
  }

  /** Takes out what was put aside. */
  restore() {
    $('#composer').value = current()?.draft ?? '';
    this.#grow();
  }

  /** What was typed here is not for whoever comes next. */
  forget() {
    $('#composer').value = '';
    this.app.later.unasked.recall.forget();
    this.#grow();
  }

  draw(conv) {
    const composer = $('#composer');
    const hint = silence(conv) || (conv ? t.messageTo(conv.name) : '/join #room');
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

  /** By how many bytes the draft is too long; worked out again only when the draft, the room or the limit is another. */
  #excess(conv, draft) {
    const of = `${store.limits.message_bytes} ${conv?.key} ${draft}`;
    if (this.#measured.of !== of) this.#measured = { of, excess: this.#excessOf(conv, saidOf(draft)) };
    return this.#measured.excess;
  }

  #typingWords(conv) {
    const now = monotonic();
    const names = [...(conv?.typing.values() ?? [])].filter((who) => who.until > now).map((who) => isolate(who.name));
    if (names.length > 2) return t.typingMany;
    return names.length === 2 ? t.typing2(...names) : names.length ? t.typing1(names[0]) : '';
  }
}
