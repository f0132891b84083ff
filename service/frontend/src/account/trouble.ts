/** Why something about one's account did not work, in words. Pure. */

import { ApiError, minutesToWait } from "../api/http";
import type { Dictionary } from "../i18n/fr";

export function trouble(error: unknown, words: Dictionary["account"]): string {
  if (!(error instanceof ApiError)) return words.failed;
  if (error.id === "password-wrong") return words.wrongPassword;
  if (error.id === "code-wrong" || error.field === "code") return words.wrongCode;
  if (error.status === 429) return words.tooMany(minutesToWait(error));
  return words.failed;
}
