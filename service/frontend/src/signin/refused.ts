/** Why signing in did not work, in words. Pure. */

import { type ApiError, minutesToWait } from "../api/http";
import type { Dictionary } from "../i18n/fr";

export function refused(error: ApiError, words: Dictionary["signIn"]): string {
  if (error.id === "origin-refused") return words.wrongAddress;
  if (error.id === "second-step-refused") return words.codeWrong;
  if (error.status === 401 || error.status === 422) return words.wrong;
  if (error.id === "address-too-often") return words.tooManyHere(minutesToWait(error));
  if (error.status === 429) return words.tooMany(minutesToWait(error));
  if (error.unreachable || error.status === 503) return words.unreachable;
  return words.failed;
}
