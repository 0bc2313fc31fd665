// Every string that people see. Only the table of the language that is spoken is loaded.

import { LANGUAGE } from './language.js';

/** What most of the page says, what it says about accounts, and about rooms and people. Empty until `ready`. */
export const t = /** @type {any} */ ({});
export const accountWords = /** @type {any} */ ({});
export const peopleWords = /** @type {any} */ ({});
export const settingsWords = /** @type {any} */ ({});

function speak({ page, accounts, people, settings = {} }) {
  Object.assign(t, page);
  Object.assign(accountWords, accounts);
  Object.assign(peopleWords, people);
  Object.assign(settingsWords, settings);
}

export const ready = import(LANGUAGE === 'ja' ? './ja.js' : './en.js').then(speak);

/** What is said by what comes later of the page; loaded with it. `again`: a query for another try. */
export const loadMoreWords = (again = '') => import((LANGUAGE === 'ja' ? './later/ja.js' : './later/en.js') + again).then(speak);

/**
 * What an error of the server says: in its own words as long as those of the page have not come. What is words already stays so.
 * `about`: the room that it is about.
 */
export function errorWords(error) {
  if (error.charAt) return error;
  const words = [t, peopleWords, accountWords].map(({ errors }) => errors?.[error.code]).find(Boolean) ?? error.message ?? error.code ?? '?';
  return error.about ? `${error.about}: ${words}` : words;
}
