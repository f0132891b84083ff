/** What is known of the caller of a call: it comes with the ring, else it is asked for. Forgotten with the page. */

import { effect, signal } from "@preact/signals";
import { known as askKnown } from "../api/service";
import type { Known } from "../api/types";
import { live } from "../app/station";

export type CallerKnown = Known | "asking" | "unavailable";

const byCall = signal<ReadonlyMap<string, CallerKnown>>(new Map());

/** Signals: read in a component. */
export function knownOf(callId: string): CallerKnown | null {
  return byCall.value.get(callId) ?? null;
}

export async function ask(callId: string, confirmed: boolean): Promise<void> {
  const before = byCall.peek().get(callId);
  if (before === undefined || before === "unavailable") put(callId, "asking");
  try {
    put(callId, await askKnown(callId, confirmed));
  } catch {
    if (typeof byCall.peek().get(callId) === "string") put(callId, "unavailable");
  }
}

function put(callId: string, what: CallerKnown): void {
  // Only the call at hand: nothing of earlier callers stays.
  byCall.value = new Map([[callId, what]]);
}

effect(() => {
  const offer = live.offer.value;
  if (offer === null) return;
  const before = byCall.peek().get(offer.call_id);
  // Somebody confirmed for this call already: the offer of a returning caller does not hide it again.
  if (typeof before === "object" && !before.shielded) return;
  put(offer.call_id, offer);
});
