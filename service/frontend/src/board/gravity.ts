/** Alarms in the order in which they matter, and what each is about in the reader's words. Pure. */

import type { AlarmState, BoardListener } from "../api/types";
import type { Dictionary } from "../i18n/fr";

/** The grave ones first, then the oldest. */
export function byGravity(alarms: Iterable<AlarmState>): AlarmState[] {
  const weight = (alarm: AlarmState): number => (alarm.severity === "critical" ? 0 : 1);
  return [...alarms].sort(
    (a, b) => weight(a) - weight(b) || a.since.localeCompare(b.since) || a.subject.localeCompare(b.subject),
  );
}

const OF_DISKS: readonly string[] = ["disk-full", "disk-low", "disk-unreadable"];

/** What it is about; empty where the title says it. A listener's telephone is told by their name. */
export function subjectOf(
  alarm: AlarmState,
  listeners: ReadonlyMap<string, BoardListener>,
  words: Dictionary["alarms"],
): string {
  if (alarm.id === "member-storm") {
    const account = alarm.subject.replace(/^PJSIP\/l/, "");
    return listeners.get(account)?.name ?? alarm.subject;
  }
  if (!OF_DISKS.includes(alarm.id)) return alarm.subject;
  if (alarm.subject === "data") return words.places.data;
  if (alarm.subject === "database") return words.places.database;
  return words.places.logs(alarm.subject);
}
