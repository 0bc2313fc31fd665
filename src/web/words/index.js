// Every string that people see. Only the table of the language that is spoken is loaded.

import { LANGUAGE } from './language.js';

/** What most of the page says, what it says about accounts, and about rooms and people. Empty until `ready`. */
export const t = /** @type {any} */ ({});
export const accountWords = /** @type {any} */ ({});
export const peopleWords = /** @type {any} */ ({});

export const ready = import(LANGUAGE === 'ja' ? './ja.js' : './en.js').then(({ page, accounts, people }) => {
  Object.assign(t, page);
  Object.assign(accountWords, accounts);
  Object.assign(peopleWords, people);
});

/** What an error of the server says. */
export const errorWords = (error) => t.errors[error.code] || peopleWords.errors[error.code] || accountWords.errors[error.code] || error.message || error.code || '?';
