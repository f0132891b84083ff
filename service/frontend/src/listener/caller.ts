/** What is known of the caller of a call: it comes with the ring, else it is asked for. Forgotten with the page. */

import { effect, signal } from "@preact/signals";
import { ApiError } from "../api/http";
import { known as askKnown, confirmSpeaker } from "../api/service";
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
/** The call whose speaker somebody at this page has checked. */
let confirmed: string | null = null;

/** What was unavailable stays so on the page until an answer comes: it must not flicker. */
export async function ask(callId: string): Promise<void> {
  if (asking === callId) return;
  if (!byCall.peek().has(callId)) put(callId, "asking");
  asking = callId;
  try {
    learn(callId, await askKnown(callId));
  } catch (error) {
    if (typeof byCall.peek().get(callId) !== "string") return;
    put(callId, "unavailable");
    clearTimeout(again);
    if (error instanceof ApiError && (error.unreachable || error.status >= 500))
      again = setTimeout(() => {
        if (isAtHand(callId) && byCall.peek().get(callId) === "unavailable") void ask(callId);
      }, ASK_AGAIN_MS);
  } finally {
    if (asking === callId) asking = null;
  }
}

/** Who is speaking was checked: what the number hid is shown. False: it could not be. */
export async function confirm(callId: string): Promise<boolean> {
  try {
    const found = await confirmSpeaker(callId);
    confirmed = callId;
    show(callId, { ...found, shielded: false });
    return true;
  } catch {
    return false;
  }
}

/**
 * An answer may come late: when somebody has confirmed who is speaking, or when the number was shielded meanwhile. It
 * may be shielded at any time: what was shown is taken away then.
 */
function learn(callId: string, found: Known | "unavailable"): void {
  const before = byCall.peek().get(callId);
  const isKnown = typeof before === "object";
  if (isKnown && (callId === confirmed || found === "unavailable" || (before.shielded && !found.shielded))) return;
  show(callId, found);
}

/** Nothing of a call that is not at hand any more. */
function show(callId: string, found: Known | "unavailable"): void {
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
