/* Words of a page of its own, in two languages; a missing one is a type error. */
import { fill } from "./numbers";
import { speech } from "./speech.svelte";

export function dictionary<K extends string>(english: Record<K, string>, chinese: Record<K, string>) {
  return (key: K, ...values: (string | number)[]): string =>
    fill((speech.language === "zh" ? chinese : english)[key], values);
}
