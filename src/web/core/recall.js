// What was sent from the message box, newest last, to be sent again or changed.

const KEPT = 50;

export class Recall {
  #lines = [];
  #at = 0; // the one that is shown; past the end for none

  add(line) {
    this.#lines = [...this.#lines.filter((other) => other !== line), line].slice(-KEPT);
    this.#at = this.#lines.length;
  }

  /**
   * One further back (-1) or forth (1) from what the box holds; undefined where it holds something else, or there is none.
   * Past the newest one it is empty.
   */
  step(by, held) {
    if (held === '') this.#at = this.#lines.length;
    else if (held !== this.#lines[this.#at]) return undefined;
    const at = this.#at + by;
    if (at < 0 || at > this.#lines.length || (held === '' && by > 0)) return undefined;
    this.#at = at;
    return this.#lines[at] ?? '';
  }

  forget() {
    this.#lines = [];
    this.#at = 0;
  }
}
