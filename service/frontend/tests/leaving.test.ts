/** Signing out by the button: out of the queue, then out of the session, and what is said when that fails. */

import { signal } from "@preact/signals";
import { beforeEach, expect, test, vi } from "vitest";
import { ApiError } from "../src/api/http";

const { asked, refusals, me } = vi.hoisted(() => ({
  asked: [] as string[],
  refusals: {} as Record<string, number>,
  me: { state: "free" },
}));

function say(what: string): void {
  asked.push(what);
  const status = refusals[what];
  if (status !== undefined) throw new ApiError("refused", status, "");
}

vi.mock("../src/api/service", () => ({ leaveQueue: async () => say("queue") }));
vi.mock("../src/app/session", () => ({ expired: signal(false), signOut: async () => say("session") }));
vi.mock("../src/app/station", () => ({ live: { me: { peek: () => me } } }));

const { leave, stillIn } = await import("../src/shell/leaving");

beforeEach(() => {
  asked.length = 0;
  me.state = "free";
  for (const what of Object.keys(refusals)) delete refusals[what];
});

test("the queue is left first", async () => {
  await leave();
  expect([asked, stillIn.value]).toEqual([["queue", "session"], false]);
});

test("who could not leave the queue is signed out: the service sees to the queue with the session", async () => {
  refusals["queue"] = 503;
  await leave();
  expect([asked, stillIn.value]).toEqual([["queue", "session"], false]);
});

test("a signing out that did not get through is told, until it does: the browser still knows the person", async () => {
  me.state = "absent";
  refusals["session"] = 0;
  await leave();
  expect([asked, stillIn.value]).toEqual([["session"], true]);
  delete refusals["session"];
  await leave();
  expect(stillIn.value).toBe(false);
});
