// What nobody needs to read and to write comes in a script of its own. Its parts can be used before it is there: what they are
// asked for then is done, in order, as soon as they are.

import { changed } from './store.js';

/** @template Parts */
export class Later {
  #parts = /** @type {any} */ (null);
  #loading = /** @type {Promise<Parts> | null} */ (null);
  #load;
  #failed;

  /**
   * @param {() => Promise<Parts>} load fetches them; where that fails, it is tried again when one is needed
   * @param {() => void} failed
   */
  constructor(load, failed) {
    this.#load = load;
    this.#failed = failed;
  }

  get isHere() { return this.#parts !== null; }

  load() {
    this.#loading ??= this.#load().then((parts) => {
      this.#parts = parts;
      changed();
      return parts;
    }, (error) => {
      this.#loading = null;
      throw error;
    });
    return this.#loading;
  }

  /** As soon as all is here. */
  when(act) {
    if (this.isHere) return void act();
    this.load().then(() => {
      act();
      changed();
    }, this.#failed);
  }

  /** The parts, of which only what they can do is used. Answers are promises as long as they are not here. */
  parts = /** @type {Parts} */ (new Proxy({}, { get: (_, name) => new Proxy({}, { get: (__, method) => (...given) => this.#ask(name, method, given) }) }));

  #ask(name, method, given) {
    if (this.isHere) return this.#parts[name][method](...given);
    return new Promise((resolve) => this.when(() => resolve(this.#parts[name][method](...given))));
  }
}
