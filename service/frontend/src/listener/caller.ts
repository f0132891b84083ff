/** What is known of the caller of a call: it comes with the ring, else it is asked for. Forgotten with the page. */

import { effect, signal } from "@preact/signals";
import { ApiError } from "../api/http";
import { known as askKnown } from "../api/service";
import type { Known } from "../api/types";
import { live } from "../app/station";
import { callNow } from "./mode";

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

/** What was unavailable stays so on the page until an answer comes: it must not flicker. False: there was none. */
export async function ask(callId: string, confirmed: boolean): Promise<boolean> {
  if (asking === callId && !confirmed) return true;
  if (!byCall.peek().has(callId)) put(callId, "asking");
  asking = callId;
  try {
    learn(callId, await askKnown(callId, confirmed));
    return true;
  } catch (error) {
    if (typeof byCall.peek().get(callId) !== "string") return false;
    put(callId, "unavailable");
    clearTimeout(again);
    if (error instanceof ApiError && (error.unreachable || error.status >= 500))
      again = setTimeout(() => {
        if (isAtHand(callId) && byCall.peek().get(callId) === "unavailable") void ask(callId, false);
      }, ASK_AGAIN_MS);
    return false;
  } finally {
    if (asking === callId) asking = null;
  }
}

/** An answer may come late: when the call is not at hand any more, or after somebody confirmed who is speaking. */
function learn(callId: string, found: Known | "unavailable"): void {
  const before = byCall.peek().get(callId);
  if (typeof before === "object" && !before.shielded) return;
  if (isAtHand(callId)) put(callId, found);
  else byCall.value = new Map([...byCall.peek()].filter(([known]) => known !== callId));
}

function isAtHand(callId: string): boolean {
  return callId === live.offer.peek()?.call_id || callId === callNow.peek();
}

function put(callId: string, what: CallerKnown): void {
  // Nothing of earlier callers stays.
  const others = [...byCall.peek()].filter(([known]) => known !== callId && isAtHand(known));
  byCall.value = new Map([...others, [callId, what]]);
}

effect(() => {
  const offer = live.offer.value;
  if (offer !== null) learn(offer.call_id, offer.number === "unavailable" ? "unavailable" : offer);
});
