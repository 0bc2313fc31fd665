// What one wants to be told of.

import { store } from '../../core/store.js';
import { errorWords, t } from '../../words/index.js';
import { $ } from '../dom.js';
import { canNotify } from '../telling.js';
import { Views } from './views.js';

export class TellingDialog {
  #dialog;

  /** @param {import('../app.js').App} app */
  constructor(app) {
    this.app = app;
    this.#dialog = new Views($('#telling'), app, { wordsOf: (error) => errorWords(error ?? {}) });
  }

  open() {
    const shows = store.telling.shows && canNotify() && Notification.permission === 'granted';
    this.#dialog.openForm('telling', t.telling, {
      note: t.tellingNote,
      fields: [
        { key: 'shows', label: t.tellShows, type: 'checkbox', checked: shows },
        { key: 'sounds', label: t.tellSounds, type: 'checkbox', checked: store.telling.sounds },
      ],
      submit: t.save,
      done: async (choice) => {
        await this.app.telling.choose(choice);
        this.#dialog.close();
      },
    });
  }
}
