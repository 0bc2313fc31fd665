// One question, one answer: one's name, a topic.

import { current, notify, store } from '../../core/store.js';
import { errorWords, peopleWords, t } from '../../words/index.js';
import { $, setHidden, setText } from '../dom.js';
import { copyText } from './views.js';

export class Ask {
  #done = async (_answer) => null;
  #isBusy = false;

  /** @param {import('../app.js').App} app */
  constructor(app) { this.app = app; }

  listen() {
    $('#ask form').addEventListener('submit', async (event) => {
      event.preventDefault();
      if (this.#isBusy) return;
      this.#isBusy = true;
      const error = await this.#done($('#ask-input').value.trim());
      this.#isBusy = false;
      if (!error) return $('#ask').close();
      this.#blame(errorWords(error));
      $('#ask-input').focus();
    });
    $('#ask-input').addEventListener('input', () => this.#blame(''));
    $('#ask-afresh').addEventListener('click', () => {
      $('#ask').close();
      this.app.parts.accounts.afresh();
    });
  }

  #blame(text) {
    setText($('#ask-error'), text);
    if (text) $('#ask-input').setAttribute('aria-invalid', 'true');
    else $('#ask-input').removeAttribute('aria-invalid');
  }

  /** `done` resolves to an error to be shown, or to nothing. `mayLeave`: the computer may be another's next. */
  #ask({ title, note, value, max, mayLeave = false }, done) {
    this.#done = done;
    setText($('#ask-title'), title);
    setText($('#ask-note'), note);
    this.#blame('');
    setHidden($('#ask-afresh'), !mayLeave);
    Object.assign($('#ask-input'), { value, maxLength: max });
    $('#ask').showModal();
    $('#ask-input').select();
  }

  name() {
    const max = store.limits.name_chars || 32;
    // A grapheme may take many code units: the server counts, this only stops a pasted novel.
    this.#ask({ title: t.nameLabel, note: t.nameNote(max), value: store.name, max: max * 8, mayLeave: !store.role }, async (name) => (name ? this.app.session.account.rename(name) : null));
  }

  /** Somebody who has not been here before. */
  welcome() {
    if (document.querySelector('dialog[open]')) return;
    const max = store.limits.name_chars || 32;
    this.#ask({ title: t.welcome, note: t.welcomeNote(max), value: '', max: max * 8 }, async (name) => (name ? this.app.session.account.rename(name) : null));
    $('#ask').addEventListener('close', () => this.#offerLink(), { once: true });
  }

  /** Others come by the address of the page. */
  #offerLink() {
    const conv = current();
    if (conv?.kind !== 'room') return;
    const link = `${new URL('.', location.href)}?room=${encodeURIComponent(conv.name.slice(1))}`;
    notify(t.linkOffer(link), false, [[t.copyLink, async () => {
      await copyText(link);
      notify(t.linkCopied);
    }], [peopleWords.notNow, () => {}]]);
  }

  topic(conv) {
    if (conv?.kind !== 'room') return;
    this.#ask({ title: t.topicLabel(conv.name), note: t.topicNote, value: conv.topic, max: 1000 }, async (text) => {
      if (text !== conv.topic) return this.app.session.rooms.setTopic(conv, text).then(() => null, (error) => error);
    });
  }
}
