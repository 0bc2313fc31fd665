// Above the log, what is new and not read yet.

import { current } from '../core/store.js';
import { sinceWords } from '../core/time.js';
import { missedOf } from '../core/unread.js';
import { t } from '../words/index.js';
import { $, setHidden, setText } from './dom.js';

export class Missed {
  /** @param {import('./app.js').App} app */
  constructor(app) { this.app = app; }

  listen() {
    const { composer, log, parts } = this.app;
    $('#missed-jump').addEventListener('click', () => log.jump());
    $('#missed-read').addEventListener('click', () => {
      parts.marking.markRead(current());
      log.toLatest();
      composer.focus();
    });
  }

  draw(conv) {
    const missed = missedOf(conv), words = missed && t.missed(missed.count, missed.since && sinceWords(missed.since));
    setHidden($('#missed'), !missed);
    if (words) setText($('#missed span'), words);
  }
}
