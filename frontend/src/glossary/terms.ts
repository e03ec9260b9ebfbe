/* The words of the field, from the one glossary that the documentation is made of as well. */
import glossary from "../../../docs/glossary.json";
import type { Language } from "../words";

export interface Term {
  en: string;
  zh: string;
  says: string;
  zh_says: string;
  /** Other ways in which it is said in running text. */
  also?: string[];
  zh_also?: string[];
  /** Whether it is so common a word that it is marked only where it is meant, not in running text. */
  is_common?: boolean;
}

export const TERMS: readonly Term[] = glossary;
const REPORTED: Record<string, string> = Object.assign({}, ...glossary.map((one) => one.report ?? {}));

/** What Python says a number is, and the term that explains it. */
const OF_MEANINGS: Record<string, string> = {
  "combination function": "sum z",
  activation: "activation",
  "node error ∂L/∂z": "node error δ",
  "slope of the activation function": "slope",
  "∂L/∂w": "gradient",
  "after one step": "gradient descent",
  "direction of the step": "optimizer",
  "learning rate η": "learning rate η",
  "squared error": "squared error",
  "cross entropy": "cross entropy",
  "binary cross entropy": "cross entropy",
  "mean of the losses of the examples": "loss",
};

export interface Part {
  text: string;
  /** Which term it is, or -1. */
  term: number;
}

export function nameOf(term: Term, language: Language): string {
  return language === "zh" ? term.zh : term.en;
}

export function saysOf(term: Term, language: Language): string {
  return (language === "zh" ? term.zh_says : term.says).replaceAll("`", "");
}

/** The place of the term that explains what Python says a number is; -1 for none. */
export function termOfMeaning(meaning: string): number {
  return termNamed(OF_MEANINGS[meaning] ?? "");
}

/** The place of a term by its English name; -1 for none. */
export function termNamed(english: string): number {
  return TERMS.findIndex((one) => one.en === english);
}

/** What a metric, a score or a loss is called. */
export function called(name: string, language: Language): string {
  return language === "zh" ? (REPORTED[name] ?? name) : name;
}

/** How a term may stand in running text: whole, or without the sign at its end. */
function spellings(term: Term, language: Language): string[] {
  const own = nameOf(term, language);
  const bare = own.replace(/ [a-zδη]$/u, "");
  const more = (language === "zh" ? term.zh_also : term.also) ?? [];
  return [...new Set([own, bare, ...more])];
}

interface Finder {
  pattern: RegExp;
  places: Map<string, number>;
}

function finder(language: Language): Finder {
  const places = new Map<string, number>();
  TERMS.forEach((term, at) => {
    if (term.is_common) return;
    for (const one of spellings(term, language)) {
      // one Chinese sign alone is part of too many other words
      if (language === "en" || one.length > 1) places.set(one.toLowerCase(), at);
    }
  });
  const longest = [...places.keys()].sort((a, b) => b.length - a.length);
  const any = longest.map((one) => one.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
  const text = language === "zh" ? `(${any})` : `(?<![\\p{L}\\p{N}])(${any})(?:e?s)?(?![\\p{L}\\p{N}])`;
  return { pattern: new RegExp(text, "giu"), places };
}

const FINDERS: Record<Language, Finder> = { en: finder("en"), zh: finder("zh") };

/** Part a text at the terms in it, each where it comes first; those of `known` are not marked again. */
export function split(text: string, language: Language, known: Set<number> = new Set()): Part[] {
  const { pattern, places } = FINDERS[language];
  const parts: Part[] = [];
  let after = 0;
  for (const found of text.matchAll(pattern)) {
    const term = places.get(found[1].toLowerCase()) ?? -1;
    if (term < 0 || known.has(term)) continue;
    known.add(term);
    if (found.index > after) parts.push({ text: text.slice(after, found.index), term: -1 });
    parts.push({ text: found[0], term });
    after = found.index + found[0].length;
  }
  if (after < text.length) parts.push({ text: text.slice(after), term: -1 });
  return parts;
}

/** The terms in which all words looked for stand, in either language, in the reader's order. */
export function search(asked: string, language: Language): number[] {
  const words = asked.toLowerCase().split(/\s+/).filter(Boolean);
  const hit = (one: Term) => {
    const whole = `${one.en} ${one.zh} ${saysOf(one, language)}`.toLowerCase();
    return words.every((word) => whole.includes(word));
  };
  const found = TERMS.map((_, at) => at).filter((at) => hit(TERMS[at]));
  return language === "zh" ? found : found.sort((a, b) => TERMS[a].en.localeCompare(TERMS[b].en, "en"));
}
