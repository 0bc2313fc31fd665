// What an error says before the words for it are there, and after.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { errorWords, loadMoreWords, ready } from '../../src/web/words/index.js';

test('an error says what the server has said until the page has words of its own for it', async () => {
  const refused = { type: 'error', code: 'moderators_only', message: 'Only the owner and moderators talk in #news.' };
  const unknown = { type: 'error', code: 'brand_new', message: 'That is new.' };
  await ready;
  assert.equal(errorWords(refused), 'Only the owner and moderators talk in #news.');
  assert.equal(errorWords({ ...unknown, about: '#news' }), '#news: That is new.');
  await loadMoreWords();
  assert.equal(errorWords(refused), 'Only moderators may write in that room.');
  assert.equal(errorWords({ ...refused, about: '#news' }), '#news: Only moderators may write in that room.');
  assert.equal(errorWords(unknown), 'That is new.');
  assert.equal(errorWords({ code: 'brand_new' }), 'brand_new');
  assert.equal(errorWords({}), '?');
  assert.equal(errorWords('words already'), 'words already');
  assert.equal(errorWords(''), '');
});
