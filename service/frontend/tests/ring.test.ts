/** The ring tone in a browser that keeps a page silent until it is touched. */

import { beforeEach, expect, test, vi } from "vitest";
import { RingTone } from "../src/phone/ring";

class FakeContext extends EventTarget {
  static last: FakeContext;
  static touched = false;
  state = "suspended";
  destination = {};
  currentTime = 0;
  constructor() {
    super();
    FakeContext.last = this;
    if (FakeContext.touched) queueMicrotask(() => this.begin());
  }
  begin(): void {
    this.state = "running";
    this.dispatchEvent(new Event("statechange"));
  }
  async resume(): Promise<void> {
    if (FakeContext.touched) this.begin();
    else await new Promise(() => {});
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  FakeContext.touched = false;
  vi.stubGlobal("AudioContext", FakeContext);
  return () => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  };
});

test("is known to be silent on a page that nobody touched since it was opened, and to sound from the first click", async () => {
  const ring = new RingTone();
  expect(ring.audible.value).toBeNull();
  ring.tryOut();
  expect(ring.audible.value).toBeNull();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(ring.audible.value).toBe(false);
  FakeContext.touched = true;
  await ring.unlock();
  expect(ring.audible.value).toBe(true);
});

test("is never called silent where the browser lets the page sound by itself", async () => {
  FakeContext.touched = true;
  const ring = new RingTone();
  const seen: unknown[] = [];
  ring.audible.subscribe((audible) => seen.push(audible));
  ring.tryOut();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(seen).toEqual([null, true]);
});

test("is silent again when the browser takes the sound away", async () => {
  FakeContext.touched = true;
  const ring = new RingTone();
  await ring.unlock();
  FakeContext.last.state = "interrupted";
  FakeContext.last.dispatchEvent(new Event("statechange"));
  expect(ring.audible.value).toBe(false);
});
