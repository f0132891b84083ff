/** What is known of the caller of a call: it comes with the ring, else it is asked for. Forgotten with the page. */

import { effect, signal } from "@preact/signals";
import { ApiError } from "../api/http";
import { known as askKnown } from "../api/service";
import type { Known } from "../api/types";
import { live } from "../app/station";

export type CallerKnown = Known | "asking" | "unavailable";

const byCall = signal<ReadonlyMap<string, CallerKnown>>(new Map());

/** Signals: read in a component. */
export function knownOf(callId: string): CallerKnown | null {
  return byCall.value.get(callId) ?? null;
}

/** From one try to the next, while the history cannot be read. */
const ASK_AGAIN_MS = 3_000;
let asking: string | null = null;
let again: ReturnType<typeof setTimeout> | undefined;

/** What was unavailable stays so on the page until an answer comes: it must not flicker. */
export async function ask(callId: string, confirmed: boolean): Promise<void> {
  if (asking === callId && !confirmed) return;
  if (!byCall.peek().has(callId)) put(callId, "asking");
  asking = callId;
  try {
    put(callId, await askKnown(callId, confirmed));
  } catch (error) {
    if (typeof byCall.peek().get(callId) !== "string") return;
    put(callId, "unavailable");
    clearTimeout(again);
    if (error instanceof ApiError && (error.unreachable || error.status >= 500))
      again = setTimeout(() => {
        if (byCall.peek().get(callId) === "unavailable") void ask(callId, false);
      }, ASK_AGAIN_MS);
  } finally {
    asking = null;
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
  put(offer.call_id, offer.number === "unavailable" ? "unavailable" : offer);
});
