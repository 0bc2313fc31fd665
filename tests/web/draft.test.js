// What is in the message box: a message, or a command.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { commandOf, messageIn } from '../../src/web/core/draft.js';

test('a command begins with a slash, of whatever width, and two say one', () => {
  for (const draft of ['/me', '／login bob secret', ' ／who', '／msg bob one\ntwo']) assert.equal(commandOf(draft), draft.trim(), draft);
  for (const [draft, said] of [['//me', '/me'], ['／／は', '／は'], ['／login bob\nsecret', '／login bob\nsecret'], ['a／b', 'a／b']]) {
    assert.deepEqual([commandOf(draft), messageIn(draft)], [null, said], draft);
  }
});
