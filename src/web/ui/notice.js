// What the page tells its reader in passing.

import { changed, store } from '../core/store.js';
import { $, el, setHidden, setText } from './dom.js';

const NOTICE_MS = 9000;

export class Notice {
  #timer = 0;
  #shown = null;

  listen() {
    $('#notice > .icon').addEventListener('click', () => this.dismiss());
  }

  draw() {
    if (store.notice === this.#shown) return;
    this.#shown = store.notice;
    const box = $('#notice');
    clearTimeout(this.#timer);
    setHidden(box, !store.notice);
    box.classList.toggle('error', Boolean(store.notice?.error));
    setText(box.firstElementChild, store.notice?.text ?? '');
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
