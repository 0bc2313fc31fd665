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

export const LANGUAGE_TAG = languageTags()[0] ?? 'en';
export const LANGUAGE = /^ja\b/i.test(LANGUAGE_TAG) ? 'ja' : 'en';

/** In which order names stand in a list. */
export const alphabet = new Intl.Collator(LANGUAGE);
