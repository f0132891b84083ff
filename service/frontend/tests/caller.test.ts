/** What is known of callers, when the answer comes late, or not at all. */

import { signal } from "@preact/signals";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { ApiError } from "../src/api/http";
import type { Known, Offer } from "../src/api/types";

const { asked, offer, callNow } = vi.hoisted(() => ({
  asked: [] as { callId: string; what: string; tell: (found: unknown) => void; fail: (why: unknown) => void }[],
  offer: { current: null as unknown },
  callNow: { current: null as unknown },
}));

vi.mock("../src/api/service", () => {
  const answers = (what: string) => (callId: string) =>
    new Promise((tell, fail) => {
      asked.push({ callId, what, tell, fail });
    });
  return { known: answers("known"), confirmSpeaker: answers("confirm") };
});
vi.mock("../src/app/station", () => {
  offer.current = signal(null);
  return { live: { offer: offer.current } };
});
vi.mock("../src/listener/mode", () => {
  callNow.current = signal(null);
  return { callNow: callNow.current };
});

const { ask, confirm, knownOf } = await import("../src/listener/caller");

const offered = offer.current as { value: Offer | null };
const atHand = callNow.current as { value: string | null };
const known = (contacts: number, shielded = false): Known =>
  ({ number: "known", contacts, shielded, cases: [] }) as never;
const rings = (callId: string, what: Known): Offer => ({ call_id: callId, returning: false, ...what }) as Offer;
const away = new ApiError("service-unreachable", 0, "");

beforeEach(() => {
  asked.length = 0;
  offered.value = null;
  atHand.value = null;
});

describe("an answer that comes late", () => {
  test("about a caller who is gone replaces nothing that is known of the one who rings, and is not kept", async () => {
    atHand.value = "a";
    const first = ask("a");
    atHand.value = null;
    offered.value = rings("b", known(2));
    asked[0]?.tell(known(9));
    await first;
    expect(knownOf("a")).toBeNull();
    expect(knownOf("b")).toMatchObject({ contacts: 2 });
  });

  test("about a caller who is gone does not let the next one's history be asked for twice at once", async () => {
    atHand.value = "a";
    const first = ask("a");
    atHand.value = "b2";
    const second = ask("b2");
    asked[0]?.fail(away);
    await first;
    void ask("b2");
    expect(asked.map((one) => one.callId)).toEqual(["a", "b2"]);
    asked[1]?.tell(known(3));
    await second;
    expect(knownOf("b2")).toMatchObject({ contacts: 3 });
  });

  test("about the caller who is spoken with is shown, though somebody else is offered already", async () => {
    atHand.value = "e";
    const first = ask("e");
    offered.value = rings("f", known(6));
    asked[0]?.tell(known(7));
    await first;
    expect(knownOf("e")).toMatchObject({ contacts: 7 });
    expect(knownOf("f")).toMatchObject({ contacts: 6 });
  });

  test("does not hide again what somebody confirmed meanwhile", async () => {
    atHand.value = "c";
    const first = ask("c");
    const confirmed = confirm("c");
    asked[1]?.tell(known(4, true));
    await confirmed;
    asked[0]?.tell(known(0, true));
    await first;
    expect(knownOf("c")).toMatchObject({ contacts: 4, shielded: false });
  });
});

describe("that somebody checked who is speaking", () => {
  test("is answered with whether it could be shown", async () => {
    offered.value = rings("d", known(0, true));
    offered.value = null;
    atHand.value = "d";
    const refused = confirm("d");
    asked[0]?.fail(away);
    expect(await refused).toBe(false);
    expect(knownOf("d")).toMatchObject({ shielded: true });
    const shown = confirm("d");
    asked[1]?.tell(known(5, true));
    expect(await shown).toBe(true);
    expect(asked.map((one) => one.what)).toEqual(["confirm", "confirm"]);
    expect(knownOf("d"), "shown: the number hides nothing any more").toMatchObject({ contacts: 5, shielded: false });
  });

  test("holds for the whole conversation, also when its caller comes back", async () => {
    atHand.value = "g";
    const confirmed = confirm("g");
    asked[0]?.tell(known(5, true));
    await confirmed;
    offered.value = rings("g", known(0, true));
    expect(knownOf("g")).toMatchObject({ contacts: 5, shielded: false });
  });
});

describe("a number that is shielded while its caller is on the line", () => {
  test("hides what the phone rang with, and what is asked in the conversation", () => {
    offered.value = rings("h", known(3));
    offered.value = rings("h", known(0, true));
    atHand.value = "h";
    offered.value = null;
    expect(knownOf("h")).toMatchObject({ contacts: 0, shielded: true });
  });

  test("stays hidden when an answer comes that was read before", async () => {
    atHand.value = "i";
    const late = ask("i");
    offered.value = rings("i", known(0, true));
    asked[0]?.tell(known(3));
    await late;
    expect(knownOf("i")).toMatchObject({ contacts: 0, shielded: true });
  });

  test("is not forgotten because nothing can be read for a while", () => {
    offered.value = rings("j", known(0, true));
    offered.value = rings("j", { ...known(0), number: "unavailable" });
    expect(knownOf("j")).toMatchObject({ shielded: true });
  });
});

test("a case that was discarded while the phone rings is not shown any more", () => {
  offered.value = rings("k", known(3));
  offered.value = rings("k", known(2));
  expect(knownOf("k")).toMatchObject({ contacts: 2 });
});
