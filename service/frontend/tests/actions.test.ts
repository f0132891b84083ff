/** What a click on the listener's page asks of the service and of the telephone. */

import { signal } from "@preact/signals";
import { beforeEach, expect, test, vi } from "vitest";

const { asked, flushed, saves } = vi.hoisted(() => ({
  asked: [] as string[],
  flushed: [] as string[],
  saves: { now: true },
}));

vi.mock("../src/api/service", () => ({
  leaveQueue: async () => asked.push("leave"),
  pause: async () => asked.push("pause"),
  resume: async () => asked.push("resume"),
}));
vi.mock("../src/app/station", () => ({
  live: { connected: signal(true) },
  notebook: {
    settle: async (callId: string, _connected: unknown, told: boolean) => {
      flushed.push(callId);
      return saves.now || told;
    },
  },
}));
vi.mock("../src/phone/microphone", () => ({}));
vi.mock("../src/listener/mode", () => ({ callNow: signal("call-1") }));

const { endWrapUp, failed, leave, takeBreak } = await import("../src/listener/actions");

beforeEach(() => {
  asked.length = 0;
  flushed.length = 0;
  failed.value = null;
  saves.now = true;
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
