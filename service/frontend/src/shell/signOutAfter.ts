/** What must come to its end before somebody signs out; null: nothing. Pure. */

import type { NotesState } from "../notes/draft";

export type SignOutAfter = "call" | "notes";

/**
 * `unsaved`: the states of the notes that are not saved. Refused ones will never be: they hold nobody back. Nor do those
 * about which a choice is to be made, where this browser keeps them (`kept`): they can be chosen about another day.
 */
export function signOutAfter(inCall: boolean, unsaved: readonly NotesState[], kept: boolean): SignOutAfter | null {
  if (inCall) return "call";
  return unsaved.some((state) => state !== "refused" && !(kept && state === "conflict")) ? "notes" : null;
}
