// What is new above and below what is in sight of the list of conversations.

import { t } from '../words/index.js';
import { $, setHidden, setText } from './dom.js';

const WAYS = /** @type {const} */ (['above', 'below']);
const COVERED_PX = 40; // of the list, by a hint at its end: what is there is not in sight

export class Hints {
  #places = new Map(); // of entries that are out of sight: 'above' or 'below'
  #sight = new IntersectionObserver((seen) => {
    for (const { target, isIntersecting, boundingClientRect, rootBounds } of seen) {
      if (isIntersecting || !rootBounds) this.#places.delete(target);
      else this.#places.set(target, boundingClientRect.top > rootBounds.top ? 'below' : 'above');
    }
    this.#draw();
  }, { root: $('#sidebar .lists'), rootMargin: `0px 0px -${COVERED_PX}px` });

  listen() {
    const behavior = matchMedia('(prefers-reduced-motion: reduce)').matches ? 'instant' : 'smooth';
    for (const way of WAYS) $(`#unread-${way}`).addEventListener('click', () => this.#news(way)[0]?.scrollIntoView({ block: 'center', behavior }));
  }

  draw() {
    for (const item of document.querySelectorAll('.lists li')) this.#sight.observe(item); // again is once
    for (const item of this.#places.keys()) if (!item.isConnected) this.#places.delete(item);
    this.#draw();
  }

  /** Nearest first. */
  #news(way) {
    const news = [...this.#places.keys()].filter((item) => this.#places.get(item) === way && item.firstChild.classList.contains('news'));
    const sorted = news.sort((a, b) => (a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1));
    return way === 'below' ? sorted : sorted.reverse();
  }

  #draw() {
    for (const way of WAYS) {
      const { length } = this.#news(way);
      setHidden($(`#unread-${way}`), length === 0);
      setText($(`#unread-${way} span`), t.unreadBelow(length));
    }
  }
}
