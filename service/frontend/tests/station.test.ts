/** The page's parts with the feed: what is asked of the service by itself, and how often. */

import { signal } from "@preact/signals";
import { beforeEach, expect, test, vi } from "vitest";
import { CALL } from "./fakes";

const ALICE = 1;
const service = { saves: 0, refusal: { id: "case-discarded", status: 409 } };

class FakeSocket {
  static last: FakeSocket | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  constructor() {
    FakeSocket.last = this;
  }
  close(): void {}
}

function answer(address: string, init: RequestInit): Response {
  if (init.method === "PUT") {
    service.saves += 1;
    return new Response(JSON.stringify({ error: { id: service.refusal.id } }), { status: service.refusal.status });
  }
  if (address.endsWith("/contact"))
    return new Response(JSON.stringify({ contact_id: 7, notes: "", notes_version: 0, saved_at: null }));
  if (address.endsWith("/session")) return new Response(JSON.stringify({ account_id: ALICE, locale: "fr" }));
  return new Response("{}", { status: 503 });
}

const snapshot = JSON.stringify({ type: "snapshot", seq: 0, account_id: ALICE, entities: [] });
const tick = JSON.stringify({ type: "tick", at: "2026-11-21T10:00:00Z" });

beforeEach(() => {
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
  vi.doMock("../src/phone/phone", () => ({
    Phone: class {
      call = signal(null);
      lastEnded = signal(null);
      registration = signal("off");
    },
  }));
  vi.useFakeTimers();
  service.saves = 0;
  return () => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  };
});

async function page() {
  const { recall } = await import("../src/app/session");
  const station = await import("../src/app/station");
  await recall();
  station.run();
  setInterval(() => FakeSocket.last?.onmessage?.({ data: tick }), 2_000);
  FakeSocket.last?.onmessage?.({ data: snapshot });
  return station;
}

async function reconnect(): Promise<void> {
  FakeSocket.last?.onclose?.({ code: 1006 });
  await vi.advanceTimersByTimeAsync(1_000);
  FakeSocket.last?.onmessage?.({ data: snapshot });
}

test("notes that the service refuses are not sent again by a feed that comes back", async () => {
  service.refusal = { id: "case-discarded", status: 409 };
  const { notebook, live } = await page();
  notebook.of(CALL).type("écrit après");
  await vi.advanceTimersByTimeAsync(1_000);
  expect([notebook.of(CALL).state.value, service.saves]).toEqual(["refused", 1]);
  await reconnect();
  await vi.advanceTimersByTimeAsync(10_000);
  expect([live.connected.value, service.saves]).toEqual([true, 1]);
});

test("notes that the service cannot save are tried at once when the feed comes back, then ever more slowly", async () => {
  service.refusal = { id: "store-unavailable", status: 503 };
  const { notebook, live } = await page();
  notebook.of(CALL).type("gardé");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(live.connected.value).toBe(true);
  await reconnect();
  service.saves = 0;
  await vi.advanceTimersByTimeAsync(0);
  expect([live.connected.value, service.saves]).toEqual([true, 1]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(service.saves).toBeLessThanOrEqual(6);
});
