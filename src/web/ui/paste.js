// Something long is pasted into the message box: it is asked how.

import { FENCE } from '../core/blocks.js';
import { notify, store } from '../core/store.js';
import { linesOf } from '../core/text.js';
import { t } from '../words/index.js';
import { $ } from './dom.js';

export class Paste {
  ask(text) {
    const as = (pasted) => () => {
      store.notice = null;
      this.#insert(pasted);
    };
    const asCode = text.includes(FENCE) ? [] : [[t.pasteCode, as(`${FENCE}\n${text.replace(/\n*$/, '')}\n${FENCE}\n`)]];
    notify(t.pasteAsks(linesOf(text.trimEnd())), false, [[t.paste, as(text)], ...asCode]);
  }

  /** Puts something where the caret is; code begins a line. */
  #insert(text) {
    const composer = $('#composer'), { selectionStart: start, selectionEnd: end, value } = composer;
    const before = text.startsWith(FENCE) && start > 0 && value[start - 1] !== '\n' ? '\n' : '';
    composer.setRangeText(before + text, start, end, 'end');
    composer.focus({ preventScroll: true });
    composer.dispatchEvent(new Event('input', { bubbles: true }));
  }
}
