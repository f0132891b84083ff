/** What a click on the listener's page asks of the service and of the telephone. */

import { type Signal, signal } from "@preact/signals";
import { beforeEach, expect, test, vi } from "vitest";
import type { NotesState } from "../src/notes/draft";

const { asked, flushed, saves, draft } = vi.hoisted(() => ({
  asked: [] as string[],
  flushed: [] as string[],
  saves: { now: true },
  draft: {} as { state: Signal<NotesState> },
}));

vi.mock("../src/api/service", () => ({
  leaveQueue: async () => asked.push("leave"),
  pause: async () => asked.push("pause"),
  resume: async () => asked.push("resume"),
}));
vi.mock("../src/app/station", () => ({
  live: { connected: signal(true) },
  notebook: {
    of: () => draft,
    settle: async (callId: string, _connected: unknown, told: boolean) => {
      flushed.push(callId);
      return saves.now || told;
    },
  },
}));
vi.mock("../src/phone/microphone", () => ({}));
vi.mock("../src/listener/mode", () => ({ callNow: signal("call-1") }));

draft.state = signal<NotesState>("waiting");
const { endWrapUp, failed, leave, takeBreak } = await import("../src/listener/actions");

beforeEach(() => {
  asked.length = 0;
  flushed.length = 0;
  failed.value = null;
  saves.now = true;
  draft.state.value = "waiting";
});

const ways = [
  ["leave", leave],
  ["pause", () => takeBreak("meal")],
  ["resume", endWrapUp],
] as const;

test.each(ways)("%s is asked once the notes are saved", async (name, act) => {
  await act();
  expect([flushed, asked, failed.value]).toEqual([["call-1"], [name], null]);
});

test.each(ways)(
  "%s is not asked when the notes could not be saved, unless the person says so again",
  async (name, act) => {
    saves.now = false;
    await act();
    expect([asked, failed.value]).toEqual([[], "notes"]);
    await act();
    expect([asked, failed.value]).toEqual([[name], null]);
  },
);

test("notes that were saved after all are no longer said to have failed, and the next ones are told anew", async () => {
  saves.now = false;
  await endWrapUp();
  expect(failed.value).toBe("notes");
  draft.state.value = "saved";
  expect(failed.value).toBeNull();
  draft.state.value = "unsaved";
  expect(failed.value).toBeNull();
  await endWrapUp();
  expect([asked, failed.value]).toEqual([[], "notes"]);
});
