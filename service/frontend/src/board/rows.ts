/** The board's three lists from the live calls and listeners. Pure. */

import type { BoardCall, BoardListener, ListenerState } from "../api/types";
import type { Dictionary } from "../i18n/fr";
import { centreName } from "../i18n/places";

export interface Lists {
  readonly waiting: readonly BoardCall[];
  readonly talking: readonly BoardCall[];
  readonly others: readonly BoardCall[];
}

/** Who waits, by arrival, which is their rank: everybody who speaks with nobody, except who hears that it is closed. */
export function lists(calls: Iterable<BoardCall>): Lists {
  const waiting: BoardCall[] = [];
  const talking: BoardCall[] = [];
  const others: BoardCall[] = [];
  for (const call of calls) {
    if (call.stage === "talking") talking.push(call);
    else if (call.stage === "closed") others.push(call);
    else waiting.push(call);
  }
  const byArrival = (a: BoardCall, b: BoardCall): number =>
    (a.arrived_at ?? "").localeCompare(b.arrived_at ?? "") || (a.position ?? 0) - (b.position ?? 0);
  return { waiting: waiting.sort(byArrival), talking: talking.sort(byArrival), others: others.sort(byArrival) };
}

/** Where a waiting caller is, or what they hear. */
export function happening(call: BoardCall, words: Pick<Dictionary, "board" | "places">): string {
  const stage = words.board.stages[call.stage];
  return call.stage === "overflow" && call.centre !== null
    ? `${stage} (${centreName(call.centre, words.places)})`
    : stage;
}

const ORDER: readonly ListenerState[] = ["free", "ringing", "talking", "wrap-up", "paused", "unreachable", "absent"];

/** Who can help first, then by name. */
export function inOrder(listeners: Iterable<BoardListener>): BoardListener[] {
  return [...listeners].sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || a.name.localeCompare(b.name));
}
