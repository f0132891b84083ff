/** What is known of callers, when the answer comes late, or not at all. */

import { signal } from "@preact/signals";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { ApiError } from "../src/api/http";
import type { ContactView, Known, Offer } from "../src/api/types";

const { asked, offer, contact, callNow } = vi.hoisted(() => ({
  asked: [] as { callId: unknown; what: string; tell: (found: unknown) => void; fail: (why: unknown) => void }[],
  offer: { current: null as unknown },
  contact: { current: null as unknown },
  callNow: { current: null as unknown },
}));

vi.mock("../src/api/service", () => {
  const answers = (what: string) => (callId: unknown) =>
    new Promise((tell, fail) => {
      asked.push({ callId, what, tell, fail });
    });
  return { known: answers("known"), confirmSpeaker: answers("confirm"), shieldNumber: answers("shield") };
});
vi.mock("../src/app/station", () => {
  offer.current = signal(null);
  contact.current = signal(null);
  return { live: { offer: offer.current, contact: contact.current } };
});
vi.mock("../src/listener/mode", () => {
  callNow.current = signal(null);
  return { callNow: callNow.current };
});

const { ask, confirm, isOpened, knownOf, shield } = await import("../src/listener/caller");

const offered = offer.current as { value: Offer | null };
const ours = contact.current as { value: ContactView | null };
const atHand = callNow.current as { value: string | null };
const known = (contacts: number, shielded = false): Known =>
  ({ number: "known", contacts, shielded, cases: [] }) as never;
const rings = (callId: string, what: Known): Offer => ({ call_id: callId, returning: false, ...what }) as Offer;
const talksIn = (callId: string, hidden: boolean, saved: string | null = null): ContactView =>
  ({ contact_id: 7, call_id: callId, known_hidden: hidden, saved_at: saved }) as ContactView;
const away = new ApiError("service-unreachable", 0, "");

beforeEach(() => {
  asked.length = 0;
  offered.value = null;
  ours.value = null;
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

describe("a number that is shielded while its caller is spoken with", () => {
  const talking = (callId: string): void => {
    offered.value = rings(callId, known(3));
    atHand.value = callId;
    offered.value = null;
    ours.value = talksIn(callId, false);
    expect(knownOf(callId)).toMatchObject({ contacts: 3 });
  };

  test("by somebody else: what the page showed is taken away, until it was checked who is speaking", async () => {
    talking("l");
    ours.value = talksIn("l", true);
    expect(knownOf("l")).toEqual({ number: "known", shielded: true, contacts: 0, last_contact_at: null, cases: [] });
    const confirmed = confirm("l");
    asked[0]?.tell(known(3, true));
    expect(await confirmed).toBe(true);
    ours.value = talksIn("l", true, "2026-11-21T14:02:00Z");
    expect(knownOf("l"), "the feed tells of the answer later").toMatchObject({ contacts: 3, shielded: false });
  });

  test("by whom it is spoken with: nothing is taken away, and nothing is to be shielded again", async () => {
    talking("m");
    const shielded = shield("m", 7);
    ours.value = talksIn("m", true);
    expect(knownOf("m"), "told before the answer came").toMatchObject({ contacts: 3 });
    asked[0]?.tell({ shielded: true });
    expect(await shielded).toBe(true);
    expect(knownOf("m")).toMatchObject({ contacts: 3, shielded: false });
    expect(isOpened("m")).toBe(true);
  });

  test("with an answer that was lost: the page shows what is true", async () => {
    talking("n");
    const shielded = shield("n", 7);
    ours.value = talksIn("n", true);
    asked[0]?.fail(away);
    expect(await shielded).toBe(false);
    expect(knownOf("n")).toMatchObject({ contacts: 0, shielded: true });
    expect(isOpened("n")).toBe(false);
  });

  test("stays hidden when what is known was asked before", async () => {
    atHand.value = "o";
    const late = ask("o");
    ours.value = talksIn("o", true);
    asked[0]?.tell(known(3));
    await late;
    expect(knownOf("o")).toMatchObject({ contacts: 0, shielded: true });
  });
});

describe("whether the number is shielded, once it was checked who is speaking", () => {
  test.each([true, false])("is said as the service has it: %s", async (shielded) => {
    atHand.value = `p${shielded}`;
    const confirmed = confirm(`p${shielded}`);
    asked[0]?.tell(known(2, shielded));
    await confirmed;
    expect(isOpened(`p${shielded}`)).toBe(shielded);
  });
});
