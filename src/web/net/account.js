// What somebody asks for oneself: another name, to be known, to be a guest again. By a cookie a reload and other tabs are known as an
// account's; scripts cannot see it.

import { roomKey } from '../core/names.js';
import { dispatch, notify, rooms, saveMemory, store } from '../core/store.js';
import { isText } from '../core/text.js';
import { accountWords, errorWords, t } from '../words/index.js';
import { FIRST_ROOM } from './identity.js';

const address = () => new URL('session', location.href);

export class Account {
  #session;

  /** @param {import('./session.js').Session} session */
  constructor(session) { this.#session = session; }

  /** Resolves to the error, or to null. */
  rename(name) {
    this.#session.identity.cut();
    return new Promise((resolve) => {
      const settled = (frame) => {
        if (!store.role) store.wish = isText(frame.to) ? frame.to : name;
        saveMemory();
        resolve(null);
      };
      const cut = () => {
        // Under which name the old connection went on is not known, so its messages cannot be recognised.
        dispatch({ type: 'nameless' });
        resolve({ message: t.waitOnline });
      };
      if (name === store.name) settled({});
      else if (!this.#session.request({ type: 'nick', name }, settled, resolve, cut)) cut();
    });
  }

  /** By the cookie a reload and other tabs are known: a code that comes over the WebSocket is exchanged for it. */
  async remember(label) {
    const { code } = await this.#session.ask({ type: 'cookie', label });
    const answer = await fetch(address(), { method: 'POST', headers: { Authorization: `Bearer ${code}` }, cache: 'no-store' });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
  }

  /** The cookie goes: the next one to open the page is a guest. */
  forgetCookie() {
    fetch(address(), { method: 'DELETE', cache: 'no-store' }).catch(() => { /* what it stands for has ended anyway */ });
  }

  /** This browser showed a cookie that is nobody's. Where this page was an account's, more is told of it. */
  sessionEnded(error) {
    if (store.account) return;
    this.forgetCookie();
    notify(accountWords.errors[error.code] ?? errorWords(error), true);
  }

  /** What this browser knows of a guest goes, and the page begins anew as somebody else. The tab that somebody looks at does so first: it is the one that asks for a name. */
  startAfresh(afterMs = 0) {
    const { token } = this.#session;
    this.#session.pause(true); // what came in now would be remembered
    token.value = '';
    store.outbox = []; // or the browser would ask whether it may go
    try {
      // See memory.js, resume.js and words/language.js.
      for (const storage of [sessionStorage, localStorage]) for (const key of ['chat.v1', 'chat.v1.resume', 'chat.v1.language']) storage.removeItem(key);
    } catch { /* storage is off: it holds nothing */ }
    setTimeout(() => location.replace('.'), afterMs);
  }

  /** A room is for people with an account, and who wanted to enter it stays a guest: goes on where guests may be. */
  giveUp(conv) {
    if (store.role || conv.stage !== 'out' || conv.entries.length > 0) return;
    const { rooms: entering } = this.#session, isOnly = rooms().length === 1;
    if (isOnly && conv.key === roomKey(FIRST_ROOM)) return;
    if (isOnly) entering.join(FIRST_ROOM);
    entering.forget(conv);
  }

  /** Asks for what makes this page a guest's again. */
  async quit(frame) {
    const { identity } = this.#session;
    identity.isQuitting = true;
    try {
      return await this.#session.ask(frame);
    } catch (error) {
      identity.isQuitting = false;
      throw error;
    }
  }
}
