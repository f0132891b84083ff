/** Who is here, when the service does not say it at once. */

import { beforeEach, describe, expect, test, vi } from "vitest";

type Answer = { status: number; body: unknown };
const ALICE: Answer = { status: 200, body: { account_id: 1, locale: "fr", must_enrol: false } };
const DOWN: Answer = { status: 503, body: { error: { id: "store-unavailable" } } };
const NOBODY: Answer = { status: 401, body: { error: { id: "not-signed-in" } } };

let answers: Answer[];
let asked: string[];

async function session() {
  return import("../src/app/session");
}

beforeEach(() => {
  vi.resetModules();
  vi.useFakeTimers();
  answers = [];
  asked = [];
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => {} });
  vi.stubGlobal("document", { documentElement: {} });
  vi.stubGlobal("window", { location: { reload: vi.fn() } });
  vi.stubGlobal("fetch", async (address: string, init: RequestInit) => {
    asked.push(`${init.method} ${address}`);
    const next = answers.length > 1 ? answers.shift() : answers[0];
    if (next === undefined) throw new TypeError("away");
    return new Response(JSON.stringify(next.body), { status: next.status });
  });
  return () => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  };
});

describe("a page that opens", () => {
  test.each([
    ["is up, its database is not", [DOWN, DOWN, ALICE]],
    ["is away altogether", []],
  ])("while the service %s asks for no password: it asks the service again, and says so", async (_, given) => {
    const { me, recall, untold } = await session();
    answers = given;
    const recalled = recall();
    await vi.advanceTimersByTimeAsync(10);
    expect([me.value, untold.value]).toEqual([undefined, true]);
    if (answers.length === 0) await vi.advanceTimersByTimeAsync(60_000);
    expect(asked.length).toBeLessThanOrEqual(15);
    answers = [ALICE];
    await vi.advanceTimersByTimeAsync(12_000);
    await recalled;
    expect([me.value?.account_id, untold.value]).toEqual([1, false]);
  });

  test("asks for a password once the service says that nobody is signed in", async () => {
    const { me, recall, untold } = await session();
    answers = [DOWN, NOBODY];
    const recalled = recall();
    await vi.advanceTimersByTimeAsync(2_000);
    await recalled;
    expect([me.value, untold.value, asked.length]).toEqual([null, false, 2]);
  });
});

describe("a page that asks again who is here, in mid-call", () => {
  test("signs nobody out because the service does not answer, and learns it later", async () => {
    const { me, recall } = await session();
    answers = [{ ...ALICE, body: { account_id: 1, locale: "fr", must_enrol: true } }];
    await recall();
    answers = [DOWN, DOWN, ALICE];
    const recalled = recall();
    await vi.advanceTimersByTimeAsync(10);
    expect(me.value).toMatchObject({ account_id: 1, must_enrol: true });
    await vi.advanceTimersByTimeAsync(5_000);
    await recalled;
    expect(me.value).toMatchObject({ account_id: 1, must_enrol: false });
  });

  test("keeps the person where their sign-in has expired: they sign in again beside the call", async () => {
    const { me, recall, expired } = await session();
    answers = [ALICE];
    await recall();
    answers = [NOBODY];
    await recall();
    expect([me.value?.account_id, expired.value]).toEqual([1, true]);
  });
});

describe("signing out", () => {
  test("that the service did not hear is no signing out: the cookie would bring the person back", async () => {
    const { me, recall, signOut } = await session();
    answers = [ALICE];
    await recall();
    answers = [DOWN];
    await expect(signOut(() => false)).rejects.toMatchObject({ status: 503 });
    expect(me.value?.account_id).toBe(1);
    expect(window.location.reload).not.toHaveBeenCalled();
  });

  test("of a session that is gone already is done", async () => {
    const { me, recall, signOut } = await session();
    answers = [ALICE];
    await recall();
    answers = [NOBODY];
    expect(await signOut(() => false)).toBe(true);
    expect(me.value).toBeNull();
    expect(window.location.reload).toHaveBeenCalled();
  });

  test("keeps the page for a caller who was answered while the service was asked", async () => {
    const { expired, me, recall, signOut } = await session();
    answers = [ALICE];
    await recall();
    expect(await signOut(() => true)).toBe(false);
    expect([me.value?.account_id, expired.value]).toEqual([1, true]);
    expect(window.location.reload).not.toHaveBeenCalled();
  });
});
