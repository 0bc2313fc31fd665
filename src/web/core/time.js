// Times, as they are compared and as they are read.

import { DATES_TAG, LANGUAGE_TAG } from '../words/language.js';
import { t } from '../words/index.js';

/** Milliseconds that a Date can hold, whatever the frame says. */
export const timeOf = (value) => (Number.isFinite(value) && Math.abs(value) < 8e15 ? value : Date.now());

/** For everything that is timed: unlike the time of day it is never set. */
export const monotonic = () => performance.now();

// The hour looks as the browser's first language has it; the names of days are in the language of the page.
let formats = formatsOf({});

function formatsOf(hours) {
  return {
    clock: new Intl.DateTimeFormat(LANGUAGE_TAG, { hour: 'numeric', minute: '2-digit', ...hours }),
    short: new Intl.DateTimeFormat(DATES_TAG, { dateStyle: 'medium', timeStyle: 'short', ...hours }),
    full: new Intl.DateTimeFormat(DATES_TAG, { dateStyle: 'full', timeStyle: 'medium', ...hours }),
  };
}

/** '12' or '24': how hours are told from now on; '' as the language does. */
export function setHours(hours) { formats = formatsOf(hours ? { hourCycle: hours === '12' ? 'h12' : 'h23' } : {}); }

export const clockWords = (date) => formats.clock.format(date);
export const fullWords = (date) => formats.full.format(date);
const longDay = new Intl.DateTimeFormat(DATES_TAG, { weekday: 'long', day: 'numeric', month: 'long' });
const longDayYear = new Intl.DateTimeFormat(DATES_TAG, { day: 'numeric', month: 'long', year: 'numeric' });

export function dayWords(time) {
  const date = new Date(time), now = new Date();
  const days = Math.round((new Date(now).setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 864e5);
  if (days === 0) return t.today;
  if (days === 1) return t.yesterday;
  return (date.getFullYear() === now.getFullYear() ? longDay : longDayYear).format(date);
}

/** The time, and of another day the date. */
export const sinceWords = (time) => (new Date(time).toDateString() === new Date().toDateString() ? formats.clock : formats.short).format(new Date(time));

/** A time that is not of today. */
export const dateWords = (time) => formats.short.format(new Date(timeOf(time)));
