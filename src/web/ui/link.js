// Whether there is a connection, and if not, why.

import { store } from '../core/store.js';
import { monotonic } from '../core/time.js';
import { errorWords, t } from '../words/index.js';
import { $, setHidden, setText } from './dom.js';

export class Link {
  /** `retry`: not to wait any longer. */
  listen(retry) {
    $('#retry').addEventListener('click', retry);
    setInterval(() => this.#drawCountdown(), 1000);
  }

  draw() {
    document.body.dataset.state = store.link;
    document.body.classList.toggle('ended', store.ended !== '');
    // The same words for as long as it lasts: a screen reader is told once, and not at every attempt.
    const trouble = store.banned ? errorWords(store.banned) : this.#trouble();
    setText($('#link-text'), store.link === 'online' ? '' : trouble);
    $('#retry').disabled = store.link !== 'offline';
    setHidden($('#retry'), !store.wasOnline && store.link !== 'offline');
    this.#drawCountdown();
  }

  #trouble() {
    const refusal = t.refusals?.[store.refusal];
    if (refusal) return typeof refusal === 'function' ? refusal(location.origin) : refusal;
    return store.wasOnline || store.link === 'offline' ? t.offline : t.connecting;
  }

  /** Not part of what a screen reader is told: nobody wants to hear a clock. */
  #drawCountdown() {
    const seconds = Math.ceil((store.retryAt - monotonic()) / 1000);
    const waits = store.link === 'offline' && seconds > 0;
    setText($('#link-wait'), waits ? t.retryIn(seconds) : store.wasOnline && store.link !== 'online' ? t.reconnecting : '');
  }
}
