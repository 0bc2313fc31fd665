// Telling somebody who looks elsewhere: notifications, a sound, the icon of the tab, the badge of an installed page.

import { queryOf } from '../core/address.js';
import { notify, saveMemory, store } from '../core/store.js';
import { isTold, waiting } from '../core/telling.js';
import { shorten } from '../core/text.js';
import { peopleWords, t } from '../words/index.js';
import { $ } from './dom.js';

const BODY_UNITS_MAX = 200;
const SOUND_S = 0.35;

/** Whether this browser could show notifications here: over http it can on the machine itself only. */
export const canNotify = () => 'Notification' in globalThis && isSecureContext;

/** The address of a script: where browsers ask for it, it is one that the server's policy lets through. */
const WORKER = /** @type {any} */ (globalThis).trustedTypes?.createPolicy('worker', { createScriptURL: () => 'sw.js' }).createScriptURL('') ?? 'sw.js';

export class Telling {
  #shown = ''; // of the icon
  /** @type {AudioContext | null} */
  #audio = null;

  /** @param {import('./app.js').App} app */
  constructor(app) {
    this.app = app;
    // A notification can be older than this page.
    if (navigator.serviceWorker) navigator.serviceWorker.onmessage = ({ data }) => this.#open(data.open);
  }

  /** Something was said just now. */
  said(conv, message) {
    if (!isTold(conv, message) || (document.hasFocus() && !document.hidden)) return;
    this.app.session.tabs.ifAlone(() => this.#tell(conv, message));
  }

  #tell(conv, message) {
    if (store.telling.sounds) this.sound();
    if (store.telling.shows && canNotify() && Notification.permission === 'granted') this.#show(conv, message);
    else this.#offer();
  }

  /** The newest message of a conversation takes the place of the one before. */
  async #show(conv, { name, text }) {
    const title = conv.kind === 'room' ? `${name} · ${conv.name}` : name;
    const about = { body: shorten(text, BODY_UNITS_MAX), tag: `${location.pathname} ${conv.key}`, icon: $('link[rel=icon]').href, silent: true };
    try {
      const shown = new Notification(title, about);
      shown.onclick = () => {
        shown.close();
        window.focus();
        this.#open(conv.key);
      };
    } catch {
      const worker = await this.#worker();
      worker?.showNotification(title, { ...about, data: { key: conv.key, query: queryOf(conv) } });
    }
  }

  #open(key) { this.app.router.open(store.conversations.get(key)); }

  /** Phones show notifications of service workers only; null where there can be none. */
  async #worker() {
    const workers = navigator.serviceWorker;
    if (!workers) return null;
    await workers.register(WORKER).catch(() => { /* then there is none to wait for */ });
    return (await workers.getRegistration()) ? workers.ready : null;
  }

  /** Asks once, in a notice that waits until somebody is back; the browser asks only who has said yes to that. */
  #offer() {
    if (store.telling.isOffered || !canNotify() || Notification.permission !== 'default') return;
    this.#set({ isOffered: true });
    notify(t.tellOffer, false, [[t.tellYes, () => this.ask()], [peopleWords.notNow, () => {}]]);
  }

  #set(choice) {
    store.telling = { ...store.telling, ...choice };
    saveMemory();
  }

  /** Returns whether notifications will be shown. */
  async ask() {
    const shows = canNotify() && await Notification.requestPermission() === 'granted';
    this.#set({ shows, isOffered: true });
    return shows;
  }

  /** What somebody has chosen otherwise; rejects with what stands in the way. */
  async choose({ shows = undefined, sounds = undefined }) {
    this.#set({ ...(sounds !== undefined && { sounds }), ...(shows === false && { shows }), isOffered: true });
    if (sounds) this.sound();
    if (shows && !await this.ask()) throw { message: canNotify() ? t.tellDenied : t.tellCannot };
  }

  /** Two short notes. Browsers let none be heard of a page that nobody has touched yet. */
  sound() {
    if (navigator.userActivation?.hasBeenActive === false) return;
    const audio = this.#audio ??= new AudioContext(), tone = audio.createOscillator(), volume = audio.createGain(), now = audio.currentTime;
    tone.frequency.setValueAtTime(660, now);
    tone.frequency.setValueAtTime(880, now + SOUND_S / 3);
    volume.gain.setValueAtTime(0.12, now);
    volume.gain.exponentialRampToValueAtTime(0.001, now + SOUND_S);
    tone.connect(volume).connect(audio.destination);
    tone.start(now);
    tone.stop(now + SOUND_S);
  }

  /** The icon of the tab, and the badge. */
  draw() {
    const { unread, forMe } = waiting(), shown = `${unread > 0} ${forMe}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    const icon = $('link[rel=icon]'), file = unread > 0 ? 'favicon-news.svg' : 'favicon.svg';
    icon.href = icon.href.replace(/favicon[^/]*$/, file);
    const badge = forMe > 0 ? navigator.setAppBadge?.(forMe) : unread > 0 ? navigator.setAppBadge?.() : navigator.clearAppBadge?.();
    badge?.catch(() => { /* it is not installed */ });
  }
}
