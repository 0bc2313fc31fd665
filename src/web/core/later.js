// What nobody needs to read and to write comes in a script of its own. Its parts can be used before it is there: what they are
// asked for then is done as soon as they are.

import { changed } from './store.js';

const RETRY_MS = 2000; // and twice as long after each time
const RETRY_MAX_MS = 60_000;

/** @template Parts */
export class Later {
  #parts = /** @type {any} */ (null);
  #loading = /** @type {Promise<void> | null} */ (null);
  #asked = /** @type {(() => void) | null} */ (null); // what somebody waits for
  #arrived = () => {};
  #arrival = new Promise((resolve) => { this.#arrived = () => resolve(null); });
  #delay = RETRY_MS;
  #timer = 0;
  #load;
  #failed;

  /**
   * @param {() => Promise<Parts>} load fetches them; where that fails, it is tried again after a while, and when somebody asks
   * @param {() => void} failed what somebody has asked for cannot be done
   */
  constructor(load, failed) {
    this.#load = load;
    this.#failed = failed;
  }

  get isHere() { return this.#parts !== null; }

  load() {
    clearTimeout(this.#timer);
    this.#loading ??= this.#load().then((parts) => {
      this.#parts = parts;
      this.#arrived();
      changed();
    }, (error) => {
      this.#loading = null;
      this.#timer = setTimeout(() => this.load().catch(() => {}), this.#delay);
      this.#delay = Math.min(RETRY_MAX_MS, 2 * this.#delay);
      throw error;
    });
    return this.#loading;
  }

  /** As soon as all is here, unless something else is asked for meanwhile. */
  when(act) {
    if (this.isHere) return void act();
    this.#asked = act;
    this.load().then(() => { if (this.#asked === act) act(); }, this.#failed);
  }

  /** Nobody waits any more. */
  drop() { this.#asked = null; }

  /** The parts, for what somebody asks of them: only what they can do is used. */
  parts = this.#through((act) => this.when(act));

  /**
   * The same for what the page does by itself: all of it is done, in order, and nobody hears that it has to wait. Answers are
   * promises as long as they are not here.
   */
  unasked = this.#through((act) => this.#arrival.then(act));

  #through(whenHere) {
    const doer = (name) => new Proxy({}, { get: (_, method) => (...given) => {
      const act = () => this.#parts[name][method](...given);
      return this.isHere ? act() : whenHere(act);
    } });
    return /** @type {Parts} */ (new Proxy({}, { get: (_, name) => doer(name) }));
  }
}
