import { beforeAll, describe, expect, test, vi } from "vitest";

// The module reaches the page's parts; their browser storage does not exist here.
beforeAll(() => {
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined });
  vi.stubGlobal("document", { documentElement: {} });
});

const key = (
  code: string,
  modifiers: Partial<Record<"altKey" | "shiftKey" | "ctrlKey" | "metaKey", boolean>> = {},
) => ({
  altKey: true,
  shiftKey: true,
  ctrlKey: false,
  metaKey: false,
  ...modifiers,
  code,
});

describe("the keyboard", () => {
  test("reaches every act of a call", async () => {
    const { shortcutOf } = await import("../src/listener/shortcuts");
    expect(["KeyR", "KeyS", "KeyG", "KeyN", "KeyT"].map((code) => shortcutOf(key(code)))).toEqual([
      "answer",
      "mute",
      "hold",
      "notes",
      "end",
    ]);
  });

  test("writes plain letters as letters", async () => {
    const { shortcutOf } = await import("../src/listener/shortcuts");
    expect(shortcutOf(key("KeyR", { altKey: false }))).toBeNull();
    expect(shortcutOf(key("KeyR", { shiftKey: false }))).toBeNull();
    expect(shortcutOf(key("KeyR", { ctrlKey: true }))).toBeNull();
  });
});
