import { beforeEach, describe, expect, test, vi } from "vitest";
import type { Me } from "../src/api/types";

/** A service that lets this person do less from one moment to the next. */
const service = { me: {} as Partial<Me>, refusal: null as string | null, asked: [] as string[] };

function answer(address: string, init: RequestInit): Response {
  service.asked.push(`${init.method} ${address}`);
  if (address.endsWith("/session")) return new Response(JSON.stringify({ account_id: 1, locale: "fr", ...service.me }));
  if (service.refusal === null) return new Response(JSON.stringify({ version: 1, saved_at: "2026-01-01T00:00:00Z" }));
  return new Response(JSON.stringify({ error: { id: service.refusal } }), { status: 403 });
}

async function page() {
  vi.resetModules();
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => {} });
  vi.stubGlobal("document", { documentElement: {} });
  vi.stubGlobal("fetch", async (address: string, init: RequestInit) => answer(address, init));
  const session = await import("../src/app/session");
  const api = await import("../src/api/service");
  const { NotesDraft } = await import("../src/notes/draft");
  await session.recall();
  return { session, api, NotesDraft };
}

beforeEach(() => {
  vi.unstubAllGlobals();
  service.me = { listener: true, must_enrol: false, ended: false };
  service.refusal = null;
  service.asked = [];
});

describe("rights that are lost while the page is open", () => {
  test.each([
    ["account-ended", { listener: true, must_enrol: false, ended: true }],
    ["second-step-missing", { listener: true, must_enrol: true, ended: false }],
  ])("%s is understood: the page asks what it may do now, and nobody is signed out", async (id, now) => {
    const { session, api } = await page();
    service.refusal = id;
    service.me = now;
    await api.joinQueue().catch(() => undefined);
    await vi.waitFor(() => expect(session.me.value).toMatchObject(now));
    expect(session.expired.value).toBe(false);
  });

  test("any other refusal asks nothing", async () => {
    const { api } = await page();
    service.refusal = "right-missing";
    service.asked = [];
    await api.joinQueue().catch(() => undefined);
    expect(service.asked).toEqual(["POST /api/v1/listener/sign-in"]);
  });

  test("what stays the same is not told anew: nothing on the page starts again", async () => {
    const { session } = await page();
    const before = session.me.value;
    await session.verify();
    expect(session.me.value).toBe(before);
  });

  test("notes that wait for the second step are not refused, and go once it is set up", async () => {
    vi.useFakeTimers();
    const { NotesDraft } = await page();
    const { ApiError } = await import("../src/api/http");
    let missing = true;
    const draft = new NotesDraft("c1", {
      contact: () => Promise.reject(new Error("not asked")),
      contactOfCall: async () => ({ contact_id: 7, notes_version: 0, saved_at: null, notes: "" }) as never,
      saveNotes: async () => {
        if (missing) throw new ApiError("second-step-missing", 403, "");
        return { version: 1, saved_at: "2026-01-01T00:00:00Z" };
      },
    });
    draft.type("Elle hésite.");
    expect(await draft.flush()).toBe(false);
    expect(draft.state.value).toBe("waiting");
    missing = false;
    draft.retry();
    await vi.advanceTimersByTimeAsync(1);
    expect(draft.state.value).toBe("saved");
    draft.close();
    vi.useRealTimers();
  });
});
