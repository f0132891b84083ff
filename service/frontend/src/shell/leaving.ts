/** Signing out by the button, and whether it got through. */

import { signal } from "@preact/signals";
import { ApiError } from "../api/http";
import { leaveQueue } from "../api/service";
import { expired, signOut } from "../app/session";
import { live } from "../app/station";

/** The service did not hear it: whoever comes to this browser next would be this person. */
export const stillIn = signal(false);

/** Out of the queue first, so that nobody rings a phone that is gone. */
export async function leave(): Promise<void> {
  stillIn.value = false;
  try {
    if (isInQueue()) await leaveQueue().catch(seenToLater);
    await signOut();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    stillIn.value = true;
  }
}

function isInQueue(): boolean {
  const state = live.me.peek()?.state;
  return state !== undefined && state !== "absent" && !expired.peek();
}

/** The wish holds where a PBX could not be told, and the end of the session says it once more. */
function seenToLater(error: unknown): void {
  if (!(error instanceof ApiError)) throw error;
}
