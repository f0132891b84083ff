/** Why going on from writing was not asked for, in words; nothing any more once the notes are saved. Pure. */

import type { Dictionary } from "../i18n/fr";
import type { NotesState } from "../notes/draft";

export function notSaved(state: NotesState, words: Dictionary["wrapUp"]): string {
  if (state === "empty" || state === "saved") return "";
  return state === "conflict" ? words.notSavedConflict : words.notSaved;
}
