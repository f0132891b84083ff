/** What must come to its end before somebody signs out; null: nothing. Pure. */

import type { NotesState } from "../notes/draft";

export type SignOutAfter = "call" | "notes";

/** `unsaved`: the states of the notes that are not saved. Refused ones will never be: they hold nobody back. */
export function signOutAfter(inCall: boolean, unsaved: readonly NotesState[]): SignOutAfter | null {
  if (inCall) return "call";
  return unsaved.some((state) => state !== "refused") ? "notes" : null;
}
