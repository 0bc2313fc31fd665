// The language of the page, and of the browser's owner.

/** The browser's languages that are language tags: under LANG=C or en_US.UTF-8 some browsers hand out just that. */
function languageTags() {
  const { language, languages } = globalThis.navigator ?? {};
  const tags = [language, ...Array.from(languages ?? [])].map((said) => String(said ?? '').replace(/[.@][^]*$/, '').replaceAll('_', '-'));
  return tags.filter((tag) => {
    try {
      return Intl.DateTimeFormat.supportedLocalesOf(tag).length > 0;
    } catch {
      return false; // not a tag
    }
  });
}

const TAGS = languageTags();

/** Those that the page speaks, by their own names. */
export const LANGUAGES = { en: 'English', ja: '日本語' };

const CHOICE = 'chat.v1.language';

/** What was chosen in this browser; '' for nothing. */
function chosen() {
  try {
    const language = globalThis.localStorage?.getItem(CHOICE) ?? '';
    return Object.hasOwn(LANGUAGES, language) ? language : '';
  } catch {
    return ''; // there is no storage
  }
}

export const CHOSEN_LANGUAGE = chosen();

/** Holds from the next load on. Returns whether it is another one. */
export function chooseLanguage(language) {
  if (language === CHOSEN_LANGUAGE) return false;
  globalThis.localStorage.setItem(CHOICE, language);
  return true;
}

export const LANGUAGE_TAG = CHOSEN_LANGUAGE ? TAGS.find((tag) => tag.startsWith(CHOSEN_LANGUAGE)) ?? CHOSEN_LANGUAGE : TAGS[0] ?? 'en';
export const LANGUAGE = /^ja\b/i.test(LANGUAGE_TAG) ? 'ja' : 'en';

/** How dates are written: in the language of the page, as it is written where the browser's owner lives. */
export const DATES_TAG = TAGS.find((tag) => tag.toLowerCase().split('-')[0] === LANGUAGE) ?? LANGUAGE;

/** In which order names stand in a list: user2 before user10. */
export const alphabet = new Intl.Collator(LANGUAGE, { numeric: true });
