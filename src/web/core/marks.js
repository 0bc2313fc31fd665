// What stands out within lines: `code`, **bold** words, and links. Time is linear in the length of the text: a line is scanned
// to its end in vain at most once for each length of a run of backticks.

const NEW_LINE = 10, ASTERISK = 42, BACKTICK = 96;
const TICKS_MAX = 3; // longer runs of backticks are text

const isWord = (code) => (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || code === 95 || (code >= 97 && code <= 122);
/** Also where there is nothing: before the text, and behind it. */
const isBlank = (code) => Number.isNaN(code) || (code < 128 ? code === 32 || (code >= 9 && code <= 13) : /\s/.test(String.fromCharCode(code)));

/**
 * A part that is not just text. `style`: how it is shown; a 'sign' is not. `then`: how what follows is, up to the next one.
 *
 * @typedef {{ start: number, end: number, style: '' | 'code' | 'bold' | 'sign', address: string, then: '' | 'bold' }} Span
 */

class Scanner {
  /** @type {Span[]} */
  spans = [];
  #open = -1; // the span of `**` that may begin something bold; -1 for none
  #inVain = new Set(); // lengths of runs of backticks that no other follows in this line

  constructor(text, to) {
    this.text = text;
    this.to = to;
  }

  add(start, end, style = /** @type {Span['style']} */ (''), address = '') {
    this.spans.push({ start, end, style, address, then: '' });
    return end;
  }

  newLine() {
    this.#open = -1;
    this.#inVain.clear();
  }

  endOfRun(at, code) {
    let end = at;
    while (end < this.to && this.text.charCodeAt(end) === code) end++;
    return end;
  }

  /** A run of backticks; returns where to go on. */
  ticks(at) {
    const from = this.endOfRun(at, BACKTICK), length = from - at;
    if (length > TICKS_MAX || this.#inVain.has(length)) return from;
    for (let close = from; close < this.to && this.text.charCodeAt(close) !== NEW_LINE;) {
      if (this.text.charCodeAt(close) !== BACKTICK) {
        close++;
        continue;
      }
      const end = this.endOfRun(close, BACKTICK);
      if (end - close === length) return this.add(this.add(this.add(at, from, 'sign'), close, 'code'), end, 'sign');
      close = end;
    }
    this.#inVain.add(length);
    return from;
  }

  /** A run of asterisks; returns where to go on. */
  stars(at) {
    const end = this.endOfRun(at, ASTERISK), before = this.text.charCodeAt(at - 1), behind = this.text.charCodeAt(end);
    if (end - at !== 2) return end;
    if (this.#open >= 0 && !isBlank(before) && !isWord(behind)) {
      for (const span of this.spans.slice(this.#open)) {
        span.then = 'bold';
        if (span.address) span.style = 'bold';
      }
      this.spans[this.#open].style = 'sign';
      this.#open = -1;
      return this.add(at, end, 'sign');
    }
    const mayOpen = !isBlank(behind) && !isWord(before);
    this.#open = mayOpen ? this.spans.length : -1;
    return mayOpen ? this.add(at, end) : end;
  }
}

/** What stands out in a part of a text, in order. `links`: those in it, in order; there are none in code. @returns {Span[]} */
export function spansOf(text, from, to, links) {
  const scanner = new Scanner(text, to);
  let next = 0;
  for (let at = from; at < to;) {
    while (next < links.length && links[next].start < at) next++;
    const code = text.charCodeAt(at);
    if (links[next]?.start === at) at = scanner.add(at, links[next].end, '', links[next].address);
    else if (code === BACKTICK) at = scanner.ticks(at);
    else if (code === ASTERISK) at = scanner.stars(at);
    else {
      if (code === NEW_LINE) scanner.newLine();
      at++;
    }
  }
  // A sign that nothing closes is text.
  return scanner.spans.filter(({ style, address }) => style || address);
}
