/** The language of the pages: chosen by hand, kept with the account, French by default. */

import { computed, effect, signal } from "@preact/signals";
import type { Locale } from "../api/types";
import { en } from "./en";
import { type Dictionary, fr } from "./fr";

const KEY = "ecoute.locale";
const DICTIONARIES: Record<Locale, Dictionary> = { fr, en };
const TAGS: Record<Locale, string> = { fr: "fr-FR", en: "en-GB" };

export const locale = signal<Locale>(localStorage.getItem(KEY) === "en" ? "en" : "fr");
/** Every word on the pages. */
export const words = computed<Dictionary>(() => DICTIONARIES[locale.value]);

export function useLocale(chosen: Locale): void {
  locale.value = chosen;
  localStorage.setItem(KEY, chosen);
}

effect(() => {
  document.documentElement.lang = locale.value;
});

/** `14:02` of an ISO instant; null stays null: no data is not midnight. */
export function clockTime(iso: string | null | undefined): string | null {
  return format(iso, { hour: "2-digit", minute: "2-digit" });
}

/** `14:02:05` of milliseconds since the epoch; a dash for no instant. */
export function clockSeconds(at: number): string {
  if (Number.isNaN(at)) return "–";
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;
  return new Intl.DateTimeFormat(TAGS[locale.value], options).format(at);
}

export function day(iso: string | null | undefined): string | null {
  return format(iso, { day: "numeric", month: "long", year: "numeric" });
}

/** `3 mars, 14:02` of an ISO instant. */
export function dayAndTime(iso: string): string {
  return format(iso, { day: "numeric", month: "long", hour: "2-digit", minute: "2-digit" }) ?? "–";
}

function format(iso: string | null | undefined, options: Intl.DateTimeFormatOptions): string | null {
  if (iso === null || iso === undefined) return null;
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? null : new Intl.DateTimeFormat(TAGS[locale.value], options).format(date);
}
