/** Why going on from writing was not asked for, in words; nothing any more once the notes are saved. Pure. */

import type { Dictionary } from "../i18n/fr";
import type { NotesState } from "../notes/draft";

/** `kept`: in this browser, also without this page. */
export function notSaved(state: NotesState, kept: boolean, words: Dictionary["wrapUp"]): string {
  if (state === "empty" || state === "saved") return "";
  if (state !== "conflict") return words.notSaved;
  return kept ? words.notSavedConflict : words.notSavedConflictOnPage;
}
