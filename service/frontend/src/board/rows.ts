/** The board's three lists from the live calls and listeners. Pure. */

import type { BoardCall, BoardListener, ListenerState } from "../api/types";

export interface Lists {
  readonly waiting: readonly BoardCall[];
  readonly talking: readonly BoardCall[];
  readonly others: readonly BoardCall[];
}

/** Waiting callers by arrival, which is their rank; a caller whose listener was lost waits, too. */
export function lists(calls: Iterable<BoardCall>): Lists {
  const waiting: BoardCall[] = [];
  const talking: BoardCall[] = [];
  const others: BoardCall[] = [];
  for (const call of calls) {
    if (call.stage === "waiting" || call.stage === "lost") waiting.push(call);
    else if (call.stage === "talking") talking.push(call);
    else others.push(call);
  }
  const byArrival = (a: BoardCall, b: BoardCall): number => a.arrived_at.localeCompare(b.arrived_at);
  return { waiting: waiting.sort(byArrival), talking: talking.sort(byArrival), others: others.sort(byArrival) };
}

const ORDER: readonly ListenerState[] = ["free", "ringing", "talking", "wrap-up", "paused", "unreachable", "absent"];

/** Who can help first, then by name. */
export function inOrder(listeners: Iterable<BoardListener>): BoardListener[] {
  return [...listeners].sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || a.name.localeCompare(b.name));
}
