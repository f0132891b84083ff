/** What does not fit in what was sent, in the reader's language: by the service's stable ids. Pure. */

import type { Dictionary } from "../i18n/fr";
import type { ApiError } from "./http";

/** Null when the service named no field: then the page says what failed. */
export function faultSentence(error: ApiError | null, words: Dictionary["faults"]): string | null {
  const fault = error?.faults[0];
  if (fault === undefined) return null;
  // A newer service may know more of them.
  const sentence = words[fault.id] ?? words.unfit;
  if (typeof sentence === "string") return sentence;
  return typeof fault.limit === "number" ? sentence(fault.limit) : words.unfit;
}
