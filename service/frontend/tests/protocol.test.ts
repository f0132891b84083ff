import { describe, expect, test } from "vitest";
import type { BoardCall } from "../src/api/types";
import { backoff } from "../src/live/backoff";
import { apply, type Entity, type Feed, type Message, NOTHING, parse } from "../src/live/protocol";

const call = (id: string, position: number | null): Entity => ({
  kind: "call",
  id,
  value: {
    call_id: id,
    stage: "waiting",
    queue: "national",
    arrived_at: "2026-11-21T10:00:00Z",
    position,
    listener_id: null,
    listener_name: null,
    answered_at: null,
    centre: null,
  } satisfies BoardCall,
});
const gone = (id: string): Entity => ({ kind: "call", id, value: null });

function followed(...messages: Message[]): Feed {
  return messages.reduce<Feed>((feed, message) => {
    const step = apply(feed, message);
    if (step === "refetch") throw new Error("refetch");
    return step.feed;
  }, NOTHING);
}

describe("the live feed", () => {
  test("old state plus changes equals a fresh snapshot", () => {
    const live = followed(
      { type: "snapshot", seq: 4, account_id: 7, entities: [call("a", 1), call("b", 2)] },
      { type: "changes", seq: 5, entities: [gone("a"), call("b", 1)] },
      { type: "tick", at: "2026-11-21T10:00:02Z" },
      { type: "changes", seq: 6, entities: [call("c", 2)] },
    );
    expect(live).toEqual(followed({ type: "snapshot", seq: 6, account_id: 7, entities: [call("b", 1), call("c", 2)] }));
  });

  test("a missing number asks for a fresh snapshot", () => {
    const feed = followed({ type: "snapshot", seq: 4, account_id: 7, entities: [] });
    expect(apply(feed, { type: "changes", seq: 6, entities: [] })).toBe("refetch");
  });

  test("a repeated number asks for a fresh snapshot", () => {
    const feed = followed({ type: "snapshot", seq: 4, account_id: 7, entities: [] });
    expect(apply(feed, { type: "changes", seq: 4, entities: [] })).toBe("refetch");
  });

  test("changes before any snapshot are not believed", () => {
    expect(apply(NOTHING, { type: "changes", seq: 1, entities: [] })).toBe("refetch");
  });

  test("the service may ask for it itself", () => {
    expect(apply(NOTHING, { type: "refetch" })).toBe("refetch");
  });

  test("a snapshot forgets what is not in it", () => {
    const feed = followed(
      { type: "snapshot", seq: 1, account_id: 7, entities: [call("a", 1)] },
      { type: "snapshot", seq: 9, account_id: 7, entities: [call("b", 1)] },
    );
    expect([...feed.things.call.keys()]).toEqual(["b"]);
  });

  test("kinds of a newer service are passed over", () => {
    const strange = { kind: "weather", id: "1", value: {} } as unknown as Entity;
    const feed = followed({ type: "snapshot", seq: 1, account_id: 7, entities: [strange, call("a", 1)] });
    expect(feed.things.call.size).toBe(1);
  });

  test("what was published is never changed under a reader", () => {
    const before = followed({ type: "snapshot", seq: 1, account_id: 7, entities: [call("a", 1)] });
    apply(before, { type: "changes", seq: 2, entities: [gone("a")] });
    expect(before.things.call.size).toBe(1);
  });

  test.each([
    "",
    "{",
    "null",
    "[]",
    '{"type":"weather"}',
    '{"type":"changes","seq":"1","entities":[]}',
    '{"type":"snapshot","seq":1,"account_id":7}',
    '{"type":"snapshot","seq":1,"entities":[]}',
    '{"type":"tick"}',
  ])("is not fooled by %j", (text) => {
    expect(parse(text)).toBeNull();
  });
});

describe("connecting again", () => {
  test("waits longer each time, up to a limit, never in step", () => {
    const middle = (): number => 0.5;
    expect([0, 1, 2, 3, 4, 9].map((attempt) => backoff(attempt, middle))).toEqual([500, 1000, 2000, 4000, 8000, 8000]);
    expect(backoff(0, () => 0)).toBe(375);
    expect(backoff(9, () => 1)).toBe(10_000);
  });
});
