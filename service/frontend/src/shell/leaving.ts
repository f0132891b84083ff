/** Signing out by the button, and whether it got through. */

import { computed, effect, signal } from "@preact/signals";
import { ApiError } from "../api/http";
import { leaveQueue } from "../api/service";
import { expired, signOut } from "../app/session";
import { live, notebook, phone, vault } from "../app/station";
import { busy } from "../listener/actions";
import { type SignOutAfter, signOutAfter } from "./signOutAfter";

/** The service did not hear it: whoever comes to this browser next would be this person. */
export const stillIn = signal(false);

/** What must come to its end here before; null: nothing. */
export const leaveAfter = computed<SignOutAfter | null>(() => {
  const states = notebook.unsaved.value.map((draft) => draft.state.value);
  return signOutAfter(phone.call.value !== null, states, vault.where.value === "browser");
});

effect(() => {
  // Whoever is rung, or takes calls again, works on.
  if (phone.call.value !== null || busy.value === "join" || busy.value === "resume") stillIn.value = false;
});

/** Out of the queue first, so that nobody rings a phone that is gone. Never out of a conversation. */
export async function leave(): Promise<void> {
  if (leaveAfter.peek() !== null) return;
  stillIn.value = false;
  try {
    if (isRungHere()) await leaveQueue().catch(seenToLater);
    // Asking took a while: somebody may have rung.
    if (leaveAfter.peek() === null) await signOut(() => phone.call.peek() !== null);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    stillIn.value = phone.call.peek() === null;
  }
}

/** Whoever has their phone in another browser is rung there, and stays in the queue. */
function isRungHere(): boolean {
  const state = live.me.peek()?.state;
  const absent = state === undefined || state === "absent";
  return !absent && !expired.peek() && phone.registration.peek() !== "elsewhere";
}

/** The wish holds where a PBX could not be told, and the end of the session says it once more. */
function seenToLater(error: unknown): void {
  if (!(error instanceof ApiError)) throw error;
}
