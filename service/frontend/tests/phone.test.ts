import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DISCONNECTED_MS, MediaGuard } from "../src/phone/guard";
import { callIdFrom, readyAddress } from "../src/phone/identity";
import { audioConstraints, troubleOf } from "../src/phone/microphone";

describe("a call's media", () => {
  let letGo: ReturnType<typeof vi.fn<() => void>>;
  let guard: MediaGuard;

  beforeEach(() => {
    vi.useFakeTimers();
    letGo = vi.fn<() => void>();
    guard = new MediaGuard(letGo);
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("that failed lets the call go at once, so that the next one is not refused as busy", () => {
    guard.see("connected");
    guard.see("failed");
    expect(letGo).toHaveBeenCalledTimes(1);
  });

  test("that is disconnected has three seconds to heal", () => {
    guard.see("disconnected");
    vi.advanceTimersByTime(DISCONNECTED_MS - 1);
    guard.see("connected");
    vi.advanceTimersByTime(60_000);
    expect(letGo).not.toHaveBeenCalled();
  });

  test("that stays disconnected lets the call go once", () => {
    guard.see("disconnected");
    vi.advanceTimersByTime(DISCONNECTED_MS);
    guard.see("failed");
    expect(letGo).toHaveBeenCalledTimes(1);
  });

  test("that is silent for an hour ends nothing: nobody is timed", () => {
    guard.see("connected");
    vi.advanceTimersByTime(3_600_000);
    expect(letGo).not.toHaveBeenCalled();
  });

  test("of a call that is over is not guarded any more", () => {
    guard.see("disconnected");
    guard.stop();
    vi.advanceTimersByTime(60_000);
    expect(letGo).not.toHaveBeenCalled();
  });
});

describe("who calls", () => {
  test("the PBX names the call where a number would stand", () => {
    expect(callIdFrom("0B8F4A3E-0a52-4a2c-9a54-3c8d1f4a7e11")).toBe("0b8f4a3e-0a52-4a2c-9a54-3c8d1f4a7e11");
  });

  test.each([undefined, null, "", "anonymous", "0199001234", "x0b8f4a3e-0a52-4a2c-9a54-3c8d1f4a7e11"])(
    "%j is no call's name, and still a caller",
    (user) => {
      expect(callIdFrom(user)).toBeNull();
    },
  );

  test("ready is dialled at the phone's own PBX", () => {
    expect(readyAddress("sip:l12@pbx.example")).toBe("sip:ready@pbx.example");
  });
});

describe("the microphone", () => {
  test("raw audio switches every correction off, else all are on", () => {
    expect(Object.values(audioConstraints(true))).toEqual([false, false, false]);
    expect(Object.values(audioConstraints(false))).toEqual([true, true, true]);
  });

  test.each([
    ["NotAllowedError", "refused"],
    ["NotFoundError", "missing"],
    ["NotReadableError", "busy"],
  ])("%s means %s", (name, trouble) => {
    expect(troubleOf(Object.assign(new Error(), { name }))).toBe(trouble);
  });
});
