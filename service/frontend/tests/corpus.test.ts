import { describe, expect, test } from "vitest";
import { apply, type Feed, KINDS, type Message, NOTHING, parse } from "../src/live/protocol";
import corpus from "./live-corpus.jsonl?raw";

/** What the service sent to a page, and what it says the page must show then. Written by the service's own tests. */
interface Run {
  messages: Message[];
  shows: { kind: string; id: string; value: unknown }[];
}

const RUNS = corpus
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Run);

function followed(messages: readonly Message[]): Feed {
  return messages.reduce<Feed>((feed, message) => {
    const parsed = parse(JSON.stringify(message));
    if (parsed === null) throw new Error("not a message");
    const step = apply(feed, parsed);
    if (step === "refetch") throw new Error("a gap");
    return step.feed;
  }, NOTHING);
}

function shown(feed: Feed): Run["shows"] {
  const all = KINDS.flatMap((kind) => [...feed.things[kind]].map(([id, value]) => ({ kind, id, value })));
  return all.sort(byKey);
}

const byKey = (a: { kind: string; id: string }, b: { kind: string; id: string }): number =>
  `${a.kind} ${a.id}` < `${b.kind} ${b.id}` ? -1 : 1;

describe("what the service sends", () => {
  test("is something of every kind", () => {
    const kinds = new Set(RUNS.flatMap((run) => run.shows.map((thing) => thing.kind)));
    expect([...kinds].sort()).toEqual([...KINDS].sort());
  });

  test.each(RUNS.map((run, number) => [number, run] as const))("makes the page of run %i right", (_number, run) => {
    expect(shown(followed(run.messages))).toEqual([...run.shows].sort(byKey));
  });
});
