/* The reader's language and theme, remembered. */
import { CHINESE_MEANINGS, type Words } from "./messages";
import { fill } from "./numbers";
import { WORDS, type Key, type Language } from "./words";

function remembered(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    /* a browser that remembers nothing still shows everything */
  }
}

function firstLanguage(): Language {
  const asked = new URLSearchParams(location.search).get("lang") ?? remembered("fathom-language");
  if (asked === "en" || asked === "zh") return asked;
  return navigator.languages.some((one) => one.toLowerCase().startsWith("zh")) ? "zh" : "en";
}

class Speech {
  language = $state<Language>(firstLanguage());
  theme = $state<string>(remembered("fathom-theme") ?? "");
  private isSystemDark = $state(matchMedia("(prefers-color-scheme: dark)").matches);
  /** What is drawn on canvas is drawn again when this changes: the theme, or that of the system. */
  readonly shade = $derived(this.theme || (this.isSystemDark ? "dark" : "light"));

  constructor() {
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => (this.isSystemDark = event.matches));
  }

  toggleLanguage(): void {
    this.language = this.language === "en" ? "zh" : "en";
    remember("fathom-language", this.language);
  }

  toggleTheme(): void {
    const isDark = this.theme ? this.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    const theme = isDark ? "light" : "dark";
    document.documentElement.dataset.theme = theme; // before anything is drawn again
    this.theme = theme;
    remember("fathom-theme", this.theme);
  }
}

export const speech = new Speech();

/** The words of a key in the reader's language, with values in place of {0}, {1}, … */
export function t(key: Key, ...values: (string | number)[]): string {
  return fill(WORDS[speech.language][key], values);
}

/** What Python says in both languages, in the reader's. */
export function said(words: Words): string {
  return words[speech.language];
}

/** What marks a text as English on the Chinese page: Python had no words for it. */
export function tongueOf(words: Words): "en" | undefined {
  return speech.language === "zh" && words.zh === words.en && /[A-Za-z]{3}/.test(words.en) ? "en" : undefined;
}

/** What Python says of a number, in the reader's language: as a whole, or each side of `name = meaning`. */
export function meaning(text: string): string {
  if (speech.language !== "zh") return text;
  return CHINESE_MEANINGS[text] ?? text.replace(/[^=,]+/g, (part) => part.replace(part.trim(), (bare) => CHINESE_MEANINGS[bare] ?? bare));
}
