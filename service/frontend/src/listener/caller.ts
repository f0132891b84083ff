/** What is known of the caller of a call: it comes with the ring, else it is asked for. Forgotten with the page. */

import { effect, signal } from "@preact/signals";
import { ApiError } from "../api/http";
import { known as askKnown, confirmSpeaker, shieldNumber } from "../api/service";
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
/** The call whose number is shielded, and hides nothing at this page: here it was checked who is speaking. */
const opened = signal<string | null>(null);
/** The call whose number this page is having shielded: its listener knows with whom they talk. */
let shielding: string | null = null;
/** What a shielded number tells. */
const HIDDEN: Known = { number: "known", shielded: true, contacts: 0, last_contact_at: null, cases: [] };

/** A signal: read in a component. */
export function isOpened(callId: string): boolean {
  return opened.value === callId;
}

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
    if (found.shielded) opened.value = callId;
    show(callId, { ...found, shielded: false });
    return true;
  } catch {
    return false;
  }
}

/** The accused has the number, too: whoever calls next is told nothing. This conversation goes on as it is. */
export async function shield(callId: string, contactId: number): Promise<boolean> {
  shielding = callId; // the feed may tell of it before the answer does
  try {
    await shieldNumber(contactId, true);
    opened.value = callId;
    return true;
  } catch {
    return false;
  } finally {
    shielding = null;
    hide();
  }
}

/** Somebody shielded the number of a conversation that goes on, or is written up: nothing of it stays on the page. */
function hide(): void {
  const contact = live.contact.peek();
  if (contact?.known_hidden && contact.call_id !== shielding) learn(contact.call_id, HIDDEN);
}

/**
 * An answer may come late: when somebody has confirmed who is speaking, or when the number was shielded meanwhile. It
 * may be shielded at any time: what was shown is taken away then.
 */
function learn(callId: string, found: Known | "unavailable"): void {
  const before = byCall.peek().get(callId);
  const isKnown = typeof before === "object";
  if (isKnown && (callId === opened.peek() || found === "unavailable" || (before.shielded && !found.shielded))) return;
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
effect(() => {
  if (live.contact.value !== null) hide();
});
