/** The browser's own window: what counts as having touched the page, and what comes after who calls. */

import { signal } from "@preact/signals";
import { afterAll, beforeAll, expect, test, vi } from "vitest";

const { done } = vi.hoisted(() => ({ done: { unlocked: 0, rings: false } }));
const call = signal<{ stage: string } | null>(null);

vi.mock("../src/app/station", () => ({
  notebook: { unsaved: signal([]) },
  phone: {
    get call() {
      return call;
    },
  },
  ring: {
    start: () => {
      done.rings = true;
    },
    stop: () => {
      done.rings = false;
    },
    unlock: async () => {
      done.unlocked += 1;
    },
  },
  vault: { where: signal("browser") },
}));
vi.mock("../src/app/session", () => ({ me: signal(null), stranger: signal(false) }));
vi.mock("../src/listener/mode", () => ({ ringsHere: signal(false) }));

const page = new EventTarget();
const shown = { title: "", documentElement: {}, querySelector: () => null };

/** What was posted before has come. */
async function settled(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  await new Promise((come) => {
    port1.onmessage = come;
    port2.postMessage(null);
  });
  port1.close();
}

beforeAll(async () => {
  vi.stubGlobal("window", page);
  vi.stubGlobal("document", shown);
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => {} });
  const { watchWindow } = await import("../src/app/window");
  watchWindow();
  await vi.waitFor(() => expect(shown.title).not.toBe(""));
});

afterAll(async () => {
  await settled();
  vi.unstubAllGlobals();
});

test("a finger that is lifted, a click and a key let the page ring, like a mouse that goes down", () => {
  const touches = ["pointerdown", "pointerup", "click", "keydown"];
  const heard = touches.filter((touch) => {
    const before = done.unlocked;
    page.dispatchEvent(new Event(touch));
    return done.unlocked > before;
  });
  expect(heard).toEqual(touches);
});

test("title and ring come after the page had its turn to show who calls, and go with the ring", async () => {
  const calm = shown.title;
  call.value = { stage: "ringing" };
  expect([shown.title, done.rings]).toEqual([calm, false]);
  await Promise.resolve(); // the page is drawn anew in a microtask
  expect([shown.title, done.rings]).toEqual([calm, false]);
  await vi.waitFor(() => expect(done.rings).toBe(true));
  expect(shown.title).toMatch(/^● \S/);
  expect(shown.title.endsWith(` · ${calm}`)).toBe(true);
  call.value = null;
  await vi.waitFor(() => expect([shown.title, done.rings]).toEqual([calm, false]));
});
