import { describe, expect, test } from "vitest";
import type { BoardCall, BoardListener } from "../src/api/types";
import { ageing } from "../src/board/age";
import { happening, inOrder, lists } from "../src/board/rows";
import { waited } from "../src/board/time";
import { en } from "../src/i18n/en";
import { fr } from "../src/i18n/fr";
import { centreName, queueName } from "../src/i18n/places";

const call = (call_id: string, stage: BoardCall["stage"], arrived_at: string): BoardCall => ({
  call_id,
  stage,
  queue: "national",
  arrived_at,
  position: null,
  listener_id: null,
  listener_name: null,
  answered_at: null,
  centre: null,
});
const NOW = Date.parse("2026-11-21T12:00:00Z");

describe("the board", () => {
  test("lists who waits by arrival: who is welcomed, offered a centre or lost their listener waits, too", () => {
    const { waiting, talking, others } = lists([
      call("late", "waiting", "2026-11-21T11:59:00Z"),
      call("kept", "lost", "2026-11-21T11:30:00Z"),
      call("talks", "talking", "2026-11-21T11:00:00Z"),
      call("enters", "entry", "2026-11-21T11:59:59Z"),
      call("offered", "overflow", "2026-11-21T11:40:00Z"),
      call("refused", "closed", "2026-11-21T11:41:00Z"),
    ]);
    expect(waiting.map((c) => c.call_id)).toEqual(["kept", "offered", "late", "enters"]);
    expect(talking.map((c) => c.call_id)).toEqual(["talks"]);
    expect(others.map((c) => c.call_id)).toEqual(["refused"]);
  });

  test("orders equal arrivals by rank", () => {
    const at = "2026-11-21T11:59:00Z";
    const second = { ...call("second", "overflow", at), position: 2 };
    const first = { ...call("first", "waiting", at), position: 1 };
    expect(lists([second, first]).waiting.map((c) => c.call_id)).toEqual(["first", "second"]);
  });

  test("says what a waiting caller hears now, and which centre is offered", () => {
    const offered = call("offered", "overflow", "2026-11-21T11:40:00Z");
    expect(happening(offered, fr)).toBe("un centre est proposé");
    expect(happening({ ...offered, centre: "centre-01" }, fr)).toBe("un centre est proposé (Centre 01)");
    expect(happening({ ...offered, stage: "lost" }, fr)).toBe("son écoutant·e est attendu·e");
  });

  test("names queues and centres, never by an id", () => {
    expect(queueName("national", fr.places)).toBe("File nationale");
    expect(queueName("national", en.places)).toBe("National queue");
    expect(queueName("centre-01", fr.places)).toBe("Centre 01");
    expect(centreName("centre-lyon-sud", en.places)).toBe("Centre lyon sud");
    expect(centreName("rhône", fr.places)).toBe("Centre rhône");
  });

  test.each([
    [{}, "À jour · 12:00:05"],
    [{ seconds: 6 }, "À jour il y a 6 s"],
    [{ lostAt: "11:58:00" }, "Dernières données : 11:58:00"],
    [{ known: false }, "Pas de données pour l'instant"],
  ])("says how old it is: %o", (change, text) => {
    const fresh = { known: true, lostAt: null, heardAt: "12:00:05", seconds: 2 };
    expect(ageing({ ...fresh, ...change }, fr.board)).toBe(text);
  });

  test("shows first who can help", () => {
    const listener = (name: string, state: BoardListener["state"]): BoardListener => ({
      account_id: 1,
      name,
      state,
      pause_reason: null,
      since: "2026-11-21T11:00:00Z",
      queues: [],
    });
    const sorted = inOrder([listener("Zoé", "absent"), listener("Noa", "free"), listener("Lou", "free")]);
    expect(sorted.map((l) => l.name)).toEqual(["Lou", "Noa", "Zoé"]);
  });

  test.each([
    ["2026-11-21T11:59:20Z", "40 s"],
    ["2026-11-21T11:56:10Z", "3 min"],
    ["2026-11-21T10:55:00Z", "1 h 5 min"],
    ["2026-11-21T12:00:03Z", "0 s"],
  ])("somebody waiting since %s has waited %s", (since, text) => {
    expect(waited(since, NOW, fr.board)).toBe(text);
  });

  test("no data is no data, never zero", () => {
    expect(waited(null, NOW, fr.board)).toBeNull();
    expect(waited("rubbish", NOW, fr.board)).toBeNull();
  });
});

describe("the two languages", () => {
  const leaves = (tree: object, path = ""): [string, unknown][] =>
    Object.entries(tree).flatMap(([key, value]) =>
      typeof value === "object" && value !== null ? leaves(value, `${path}${key}.`) : [[`${path}${key}`, value]],
    );

  test("have the same words, none of them empty", () => {
    expect(leaves(en).map(([path]) => path)).toEqual(leaves(fr).map(([path]) => path));
    for (const [path, value] of [...leaves(fr), ...leaves(en)])
      if (typeof value === "string") expect(value.trim(), path).not.toBe("");
  });
});
