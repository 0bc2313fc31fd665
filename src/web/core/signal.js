// Something that happens, and those who want to know of it.

export class Signal {
  #listeners = new Set();

  on(listener) { this.#listeners.add(listener); }
  emit(...news) { for (const listener of this.#listeners) listener(...news); }
}
