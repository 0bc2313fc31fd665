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
export const LANGUAGE_TAG = TAGS[0] ?? 'en';
export const LANGUAGE = /^ja\b/i.test(LANGUAGE_TAG) ? 'ja' : 'en';

/** How dates are written: in the language of the page, as it is written where the browser's owner lives. */
export const DATES_TAG = TAGS.find((tag) => tag.toLowerCase().split('-')[0] === LANGUAGE) ?? LANGUAGE;

/** In which order names stand in a list. */
export const alphabet = new Intl.Collator(LANGUAGE);
