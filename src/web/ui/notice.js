// What the page tells its reader in passing.

import { changed, store } from '../core/store.js';
import { shorten } from '../core/text.js';
import { errorWords } from '../words/index.js';
import { $, el, setHidden, setText } from './dom.js';

const NOTICE_MS = 9000;
const NOTICE_UNITS_MAX = 600; // what is quoted can be as long as a message

export class Notice {
  #timer = 0;
  #shown = null;

  listen() {
    $('#notice > .icon').addEventListener('click', () => this.dismiss());
  }

  draw() {
    const box = $('#notice');
    setText(box.firstElementChild, shorten(errorWords(store.notice?.text ?? ''), NOTICE_UNITS_MAX)); // for which there may be better words now
    if (store.notice === this.#shown) return;
    this.#shown = store.notice;
    clearTimeout(this.#timer);
    setHidden(box, !store.notice);
    box.classList.toggle('error', Boolean(store.notice?.error));
    $('#notice-actions').replaceChildren(...(store.notice?.actions ?? []).map(([label, act]) => {
      const button = el('button', { type: 'button', className: 'quiet', textContent: label });
      button.addEventListener('click', () => {
        this.dismiss();
        act();
      });
      return button;
    }));
    if (store.notice && store.notice.actions.length === 0) this.#timer = setTimeout(() => this.dismiss(), NOTICE_MS);
  }

  dismiss() {
    if ($('#notice').contains(document.activeElement)) $('#composer').focus();
    store.notice = null;
    changed('notice');
  }
}
