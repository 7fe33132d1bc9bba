// The languages that all pages speak.

export const LANGUAGES = ['en', 'ru', 'de', 'es', 'pt'] as const;
export type Language = (typeof LANGUAGES)[number];
export type Texts<Key extends string> = Readonly<Record<Language, Readonly<Record<Key, string>>>>;

// The same with its region, for numbers and amounts: "pt-PT" writes them otherwise than "pt-BR".
export function localeOf(language: Language, ...wishes: readonly (string | null | undefined)[]): string {
  const wish = wishes.find((one) => languageOf(one) === language && one?.toLowerCase().startsWith(language))?.replace(/_/g, '-');
  try {
    return wish ? new Intl.Locale(wish).toString() : language;
  } catch {
    return language;
  }
}

// The first wish that can be met: "pt-BR" is met by pt. Else English.
export function languageOf(...wishes: readonly (string | null | undefined)[]): Language {
  for (const wish of wishes) {
    const found = LANGUAGES.find((language) => language === wish?.toLowerCase().split(/[-_]/)[0]);
    if (found) return found;
  }
  return 'en';
}
