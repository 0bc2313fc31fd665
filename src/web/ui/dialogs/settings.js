// How this browser shows the page, and what it tells of.

import { saveMemory, store } from '../../core/store.js';
import { chooseLanguage, CHOSEN_LANGUAGE, LANGUAGES } from '../../words/language.js';
import { errorWords, settingsWords } from '../../words/index.js';
import { $ } from '../dom.js';
import { canNotify } from '../telling.js';
import { Views } from './views.js';

export class SettingsDialog {
  #dialog;

  /** @param {import('../app.js').App} app */
  constructor(app) {
    this.app = app;
    this.#dialog = new Views($('#settings'), app, { wordsOf: (error) => errorWords(error ?? {}) });
  }

  open() {
    const telling = { ...store.telling }, settings = { ...store.settings }, shows = telling.shows && canNotify() && Notification.permission === 'granted';
    const choice = (key, value = settings[key]) => ({ key, label: settingsWords[key], choices: settingsWords.choices[key], value, required: false });
    const check = (key, checked) => ({ key, label: settingsWords[key], type: 'checkbox', checked });
    this.#dialog.openForm('settings', settingsWords.title, {
      fields: [
        choice('theme'), choice('density'), choice('hours'), choice('enter'),
        { ...choice('language', CHOSEN_LANGUAGE), choices: { '': settingsWords.asBrowser, ...LANGUAGES } },
        check('comings', settings.comings),
        check('sounds', telling.sounds),
        { ...check('shows', shows), note: settingsWords.showsNote },
      ],
      submit: settingsWords.save,
      done: async ({ shows: tells, sounds, language, ...rest }) => {
        // What stays as it was may have been changed in another tab meanwhile.
        const changed = Object.entries(rest).filter(([key, value]) => value !== settings[key]);
        store.settings = { ...store.settings, ...Object.fromEntries(changed) };
        saveMemory();
        this.app.settings.apply();
        await this.app.parts.telling.choose({ ...(tells !== shows && { shows: tells }), ...(sounds !== telling.sounds && { sounds }) });
        if (chooseLanguage(language)) location.reload();
        else this.#dialog.close();
      },
    });
  }
}
