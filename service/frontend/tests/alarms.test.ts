import { describe, expect, test } from "vitest";
import type { AlarmState, BoardListener } from "../src/api/types";
import { byGravity, subjectOf } from "../src/board/gravity";
import { en } from "../src/i18n/en";
import { fr } from "../src/i18n/fr";
import { LiveStore } from "../src/live/store";

const alarm = (id: AlarmState["id"], more: Partial<AlarmState> = {}): AlarmState => ({
  id,
  subject: "",
  severity: "warning",
  since: "2026-11-21T12:00:00Z",
  cause: null,
  ...more,
});
const LISTENERS = new Map<string, BoardListener>([
  [
    "12",
    {
      account_id: 12,
      name: "Camille Exemple",
      state: "paused",
      pause_reason: "fault",
      since: "2026-11-21T11:00:00Z",
      queues: [],
    },
  ],
]);

describe("alarms", () => {
  test("the grave ones come first, then the oldest", () => {
    const sorted = byGravity([
      alarm("disk-low", { since: "2026-11-21T10:00:00Z" }),
      alarm("pbx-lost", { severity: "critical" }),
      alarm("database-not-storing", { severity: "critical", since: "2026-11-21T11:00:00Z" }),
    ]);
    expect(sorted.map((one) => one.id)).toEqual(["database-not-storing", "pbx-lost", "disk-low"]);
  });

  test.each([
    [alarm("disk-low", { subject: "data" }), "disque des données"],
    [alarm("disk-full", { subject: "database" }), "disque de la base de données"],
    [alarm("disk-unreadable", { subject: "pbx1" }), "disque des journaux de pbx1"],
    [alarm("pbx-lost", { subject: "pbx1" }), "pbx1"],
    [alarm("member-storm", { subject: "PJSIP/l12" }), "Camille Exemple"],
    [alarm("member-storm", { subject: "PJSIP/l99" }), "PJSIP/l99"],
    [alarm("database-not-storing"), ""],
  ])("say what they are about: %o", (one, words) => {
    expect(subjectOf(one, LISTENERS, fr.alarms)).toBe(words);
  });

  test("each says in both languages what it is, what it means and what to do", () => {
    for (const dictionary of [fr, en])
      for (const [id, { title, means, mend }] of Object.entries(dictionary.alarms.kinds))
        for (const sentence of [means, mend]) expect(sentence, `${id}: ${title}`).toMatch(/\.$/);
  });

  test("a page is told that nothing is saved only by a service that is there", () => {
    const store = new LiveStore();
    expect(store.notSaving.value).toBeNull();
    const notice = alarm("notes-not-saving", { severity: "critical" });
    const entity = { kind: "notice", id: "notes-not-saving", value: notice } as const;
    store.take({ type: "snapshot", seq: 0, account_id: 7, entities: [entity] }, 1);
    expect(store.notSaving.value).toEqual(notice);
    store.disconnected();
    expect(store.notSaving.value).toBeNull();
    store.take({ type: "snapshot", seq: 0, account_id: 7, entities: [entity] }, 2);
    store.take({ type: "changes", seq: 1, entities: [{ ...entity, value: null }] }, 3);
    expect(store.notSaving.value).toBeNull();
  });
});
