// The languages that all pages speak.

export const LANGUAGES = ['en', 'ru', 'de', 'es', 'pt'] as const;
export type Language = (typeof LANGUAGES)[number];
export type Texts<Key extends string> = Readonly<Record<Language, Readonly<Record<Key, string>>>>;

// The first wish that can be met: "pt-BR" is met by pt. Else English.
export function languageOf(...wishes: readonly (string | null | undefined)[]): Language {
  for (const wish of wishes) {
    const found = LANGUAGES.find((language) => language === wish?.toLowerCase().split(/[-_]/)[0]);
    if (found) return found;
  }
  return 'en';
}
