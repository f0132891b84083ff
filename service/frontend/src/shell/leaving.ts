/** Signing out by the button, and what becomes of it when a call or the service stands in the way. */

import { computed, effect, signal } from "@preact/signals";
import { ApiError } from "../api/http";
import { leaveQueue } from "../api/service";
import { expired, forget, signOut } from "../app/session";
import { live, notebook, phone, vault } from "../app/station";
import { busy } from "../listener/actions";
import { type SignOutAfter, signOutAfter } from "./signOutAfter";

/** Asked for and not done. `vain`: still signed in. `heard`: signed out, and the page has stayed for whoever rings. */
type Wish = "vain" | "heard";
const wish = signal<Wish | null>(null);

/** Whoever answers, or takes calls again, does not leave any more. */
const worksOn = computed<boolean>(() => {
  const call = phone.call.value;
  return (call !== null && call.stage !== "ringing") || busy.value === "join" || busy.value === "resume";
});

/** Signing out came to nothing: whoever comes to this browser next would be this person. Not said while it rings. */
export const stillIn = computed<boolean>(() => wish.value === "vain" && phone.call.value === null);

/** What must come to its end here before; null: nothing. */
export const leaveAfter = computed<SignOutAfter | null>(() => {
  const states = notebook.unsaved.value.map((draft) => draft.state.value);
  return signOutAfter(phone.call.value !== null, states, vault.where.value === "browser");
});

effect(() => {
  if (worksOn.value) wish.value = null;
});

effect(() => {
  // Nobody answered that ring: the page goes after all, unless somebody signed in again on it.
  if (wish.value !== "heard" || leaveAfter.value !== null) return;
  wish.value = null;
  if (expired.peek()) forget();
});

/** Out of the queue first, so that nobody rings a phone that is gone. Never out of a conversation. */
export async function leave(): Promise<void> {
  if (leaveAfter.peek() !== null) return;
  wish.value = null;
  try {
    if (isRungHere()) await leaveQueue().catch(seenToLater);
    // Asking took a while: somebody may have rung.
    if (leaveAfter.peek() !== null) remember("vain");
    else if (!(await signOut(() => phone.call.peek() !== null))) remember("heard");
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    remember("vain");
  }
}

function remember(what: Wish): void {
  if (!worksOn.peek()) wish.value = what;
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
