/** The browser's own window: what counts as having touched the page. */

import { signal } from "@preact/signals";
import { expect, test, vi } from "vitest";

const { unlocked } = vi.hoisted(() => ({ unlocked: { times: 0 } }));

vi.mock("../src/app/station", () => ({
  notebook: { unsaved: signal([]) },
  phone: { call: signal(null) },
  ring: {
    start: () => {},
    stop: () => {},
    unlock: async () => {
      unlocked.times += 1;
    },
  },
  vault: { where: signal("browser") },
}));
vi.mock("../src/app/session", () => ({ me: signal(null), stranger: signal(false) }));
vi.mock("../src/listener/mode", () => ({ ringsHere: signal(false) }));

test("a finger that is lifted, a click and a key let the page ring, like a mouse that goes down", async () => {
  const page = new EventTarget();
  vi.stubGlobal("window", page);
  vi.stubGlobal("document", { title: "", documentElement: {}, querySelector: () => null });
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => {} });
  const { watchWindow } = await import("../src/app/window");
  watchWindow();
  const touches = ["pointerdown", "pointerup", "click", "keydown"];
  const heard = touches.filter((touch) => {
    const before = unlocked.times;
    page.dispatchEvent(new Event(touch));
    return unlocked.times > before;
  });
  expect(heard).toEqual(touches);
  vi.unstubAllGlobals();
});
