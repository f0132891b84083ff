/** Durations of waiting, for the board: a person who waits is a matter of time; a conversation is not. */

import type { Dictionary } from "../i18n/fr";

/** `40 s`, `3 min`, `1 h 5 min`; null when it is not known since when: no data is not zero. */
export function waited(since: string | null, nowMs: number, words: Dictionary["board"]): string | null {
  if (since === null) return null;
  const from = Date.parse(since);
  if (Number.isNaN(from)) return null;
  const seconds = Math.max(0, Math.floor((nowMs - from) / 1000));
  if (seconds < 60) return words.seconds(seconds);
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? words.minutes(minutes) : words.hours(Math.floor(minutes / 60), minutes % 60);
}
