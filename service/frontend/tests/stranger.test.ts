import { signal } from "@preact/signals";
import { beforeEach, describe, expect, test, vi } from "vitest";
import type { Me } from "../src/api/types";
import { CALL } from "./fakes";

/** A service that answers to the browser's cookie, whoever that names now; null: nobody. */
const service = {
  cookie: null as number | null,
  asked: [] as { address: string; body: string | null; account: string | null }[],
};
const ALICE = 1;
const BRUNO = 2;

class FakeSocket {
  static last: FakeSocket | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  closed = false;
  constructor() {
    FakeSocket.last = this;
  }
  close(): void {
    this.closed = true;
  }
}

const me = (account_id: number): Me => ({ account_id, locale: "fr" }) as Me;

function answer(address: string, init: RequestInit): Response {
  const headers = init.headers as Record<string, string>;
  const account = headers["X-Ecoute-Account"] ?? null;
  service.asked.push({ address: `${init.method} ${address}`, body: (init.body as string | null) ?? null, account });
  const refused = (id: string) => new Response(JSON.stringify({ error: { id } }), { status: 401 });
  if (service.cookie === null) return refused("not-signed-in");
  if (account !== null && account !== String(service.cookie)) return refused("another-account");
  return new Response(JSON.stringify(address.endsWith("/session") ? me(service.cookie) : { version: 1 }));
}

/** A page of Alice's, fresh. */
async function page() {
  vi.resetModules();
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => {} });
  vi.stubGlobal("document", { documentElement: {} });
  vi.stubGlobal("window", {
    addEventListener: () => {},
    removeEventListener: () => {},
    location: { origin: "http://localhost" },
  });
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("fetch", async (address: string, init: RequestInit) => answer(address, init));
  service.cookie = ALICE;
  service.asked = [];
  const session = await import("../src/app/session");
  const { saveNotes } = await import("../src/api/service");
  const { LiveClient } = await import("../src/live/client");
  const { LiveStore } = await import("../src/live/store");
  await session.recall();
  const live = new LiveStore();
  const client = new LiveClient(live, () => void session.verify(), session.recognise);
  return { session, saveNotes, live, client };
}

function snapshotOf(account_id: number): string {
  const line = { state: "up", as_of: "2026-11-21T10:00:00Z", since: "2026-11-21T10:00:00Z" };
  return JSON.stringify({
    type: "snapshot",
    seq: 0,
    account_id,
    entities: [{ kind: "line", id: "pbx1", value: line }],
  });
}

describe("somebody else signed in in another tab", () => {
  beforeEach(() => {
    vi.unstubAllGlobals();
    FakeSocket.last = null;
  });

  test("is noticed by who answers, and this page asks nothing more in its own person's name", async () => {
    const { session, saveNotes } = await page();
    service.cookie = BRUNO;
    await session.verify();
    expect(session.stranger.value).toBe(true);
    expect(session.me.value?.account_id).toBe(ALICE);
    service.asked = [];
    await expect(saveNotes(5, "what Alice wrote", 0)).rejects.toMatchObject({ status: 401 });
    expect(service.asked).toEqual([]);
  });

  test("is noticed by whom the live feed is for: nothing of theirs is shown, and it is not connected again", async () => {
    vi.useFakeTimers();
    try {
      const { session, live, client } = await page();
      client.start();
      const socket = FakeSocket.last;
      socket?.onmessage?.({ data: snapshotOf(BRUNO) });
      expect(session.stranger.value).toBe(true);
      expect(socket?.closed).toBe(true);
      expect([live.connected.value, live.lines.value]).toEqual([false, []]);
      vi.advanceTimersByTime(60_000);
      expect(FakeSocket.last).toBe(socket);
    } finally {
      vi.useRealTimers();
    }
  });

  test("after a sign-in that expired here: notes that try again do not leave with the other's cookie", async () => {
    const { session, saveNotes } = await page();
    service.cookie = null;
    await session.verify();
    expect(session.expired.value).toBe(true);
    service.cookie = BRUNO;
    service.asked = [];
    await expect(saveNotes(5, "what Alice wrote", 0)).rejects.toMatchObject({ status: 401 });
    expect(service.asked.map((one) => one.address)).toEqual(["GET /api/v1/session"]);
    expect(session.stranger.value).toBe(true);
  });

  test("in the very moment of a save: it goes in its writer's name, and is refused", async () => {
    const { session, saveNotes } = await page();
    service.cookie = BRUNO;
    await expect(saveNotes(5, "what Alice wrote", 0)).rejects.toMatchObject({ id: "another-account" });
    expect(service.asked.at(-1)?.account).toBe(String(ALICE));
    expect([session.stranger.value, session.expired.value]).toEqual([true, false]);
  });
});

describe("the page's parts", () => {
  async function parts(inCall: boolean) {
    const { session } = await page();
    const call = signal(inCall ? { callId: CALL, stage: "live" } : null);
    const phone = { call, start: vi.fn(), stop: vi.fn(), heldBy: vi.fn(), renew: vi.fn(), lastEnded: signal(null) };
    vi.doMock("../src/phone/phone", () => ({
      Phone: class {
        constructor() {
          Object.assign(this, phone);
        }
      },
    }));
    vi.stubGlobal("fetch", async (address: string, init: RequestInit) => answer(address, init));
    const station = await import("../src/app/station");
    station.run();
    FakeSocket.last?.onmessage?.({ data: snapshotOf(ALICE) });
    return { session, phone, station, socket: FakeSocket.last };
  }

  test("stop at once where nobody talks", async () => {
    const { session, phone, station, socket } = await parts(false);
    expect(station.live.connected.value).toBe(true);
    session.recognise(BRUNO);
    expect([socket?.closed, station.live.connected.value]).toEqual([true, false]);
    expect(phone.stop).toHaveBeenCalled();
  });

  test("leave a conversation alone, and the phone goes when it is over", async () => {
    const { session, phone, socket } = await parts(true);
    session.recognise(BRUNO);
    expect(socket?.closed).toBe(true);
    expect(phone.stop).not.toHaveBeenCalled();
    phone.call.value = null;
    expect(phone.stop).toHaveBeenCalled();
  });
});

describe("the same person signed in again in another tab", () => {
  test("and this page goes on by itself", async () => {
    const { session, saveNotes, live, client } = await page();
    service.cookie = null;
    await session.verify();
    service.cookie = ALICE;
    await expect(saveNotes(5, "what Alice wrote", 0)).resolves.toEqual({ version: 1 });
    expect([session.expired.value, session.stranger.value]).toEqual([false, false]);
    client.start();
    FakeSocket.last?.onmessage?.({ data: snapshotOf(ALICE) });
    expect(live.connected.value).toBe(true);
    client.stop();
  });

  test("a service that is away is told as that, not as a sign-in that expired", async () => {
    const { session, saveNotes } = await page();
    service.cookie = null;
    await session.verify();
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("away")));
    await expect(saveNotes(5, "what Alice wrote", 0)).rejects.toMatchObject({ unreachable: true });
  });
});
