/** How old what the board shows is: one clock for all its tiles. */

import { signal } from "@preact/signals";
import { live } from "../app/station";
import { clockSeconds } from "../i18n";
import { type Ageing, FRESH_S } from "./age";

/** The service's clock, milliseconds: waiting must not depend on this machine's clock. */
export const now = signal(Date.now());
/** The service's clock when it was last heard, milliseconds. */
const heardAt = signal(Date.now());
/** Seconds since the last word from the service. */
export const age = signal(0);

export function look(): void {
  const clock = Date.now() + live.clockOffset.peek();
  const silence = performance.now() - live.lastHeard.peek();
  heardAt.value = clock - silence;
  now.value = lastKnown(clock, heardAt.value);
  age.value = Math.max(0, Math.round(silence / 1000));
}

/** The service itself is heard. */
export function heard(): boolean {
  return live.connected.value && age.value < FRESH_S;
}

/** What is shown can be believed: the feed is there, fresh, and the PBX speaks with the service. */
export function trusted(): boolean {
  const lines = live.lines.value;
  return heard() && lines.length > 0 && lines.every((line) => line.state === "up");
}

/** Of calls and listeners, which the PBX tells of; of the service's own words without `ofPbx`. */
export function ageNow(ofPbx = true): Ageing {
  const lost = ofPbx ? live.lines.value.find((line) => line.state !== "up") : undefined;
  return {
    known: live.known.value,
    lostAt: lost === undefined ? null : clockSeconds(Date.parse(lost.as_of)),
    heardAt: clockSeconds(heardAt.value),
    seconds: age.value,
  };
}

/** Where the data stops, waiting stops growing on the board: nobody knows whether it does. */
function lastKnown(clock: number, heardAt: number): number {
  const lost = live.lines.peek().find((line) => line.state !== "up" && line.as_of !== null);
  const asOf = lost?.as_of ? Date.parse(lost.as_of) : Number.POSITIVE_INFINITY;
  return Math.min(live.connected.peek() ? clock : heardAt, asOf);
}
