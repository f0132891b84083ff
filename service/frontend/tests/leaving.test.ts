/** Signing out by the button: out of the queue, then out of the session, and what is said when that fails. */

import { type Signal, signal } from "@preact/signals";
import { beforeEach, expect, test, vi } from "vitest";
import { ApiError } from "../src/api/http";
import type { PhoneCall } from "../src/phone/phone";

const { asked, refusals, me, meanwhile, forgotten } = vi.hoisted(() => ({
  asked: [] as string[],
  forgotten: { times: 0 },
  refusals: {} as Record<string, number>,
  me: { state: "free" },
  meanwhile: {} as Record<string, () => void>,
}));

function say(what: string): void {
  asked.push(what);
  meanwhile[what]?.();
  const status = refusals[what];
  if (status !== undefined) throw new ApiError("refused", status, "");
}

vi.mock("../src/api/service", () => ({ leaveQueue: async () => say("queue") }));
vi.mock("../src/app/session", () => {
  const expired = signal(false);
  const forget = () => {
    forgotten.times += 1;
  };
  const signOut = async (inCall: () => boolean) => {
    say("session");
    expired.value = inCall();
    return !expired.value;
  };
  return { expired, forget, signOut };
});
vi.mock("../src/app/station", () => ({
  live: { me: { peek: () => me } },
  notebook: { unsaved: signal([]) },
  phone: { call: signal(null), registration: signal("registered") },
  vault: { where: signal("browser") },
}));
vi.mock("../src/listener/actions", () => ({ busy: signal(null) }));

const { leave, stillIn } = await import("../src/shell/leaving");
const { expired } = await import("../src/app/session");
const station = await import("../src/app/station");
const { busy } = await import("../src/listener/actions");
const RINGING: PhoneCall = { callId: null, stage: "ringing", muted: false, held: false, media: "good" };

beforeEach(() => {
  asked.length = 0;
  me.state = "free";
  for (const what of Object.keys(refusals)) delete refusals[what];
  for (const what of Object.keys(meanwhile)) delete meanwhile[what];
  expired.value = false;
  station.phone.call.value = null;
  station.phone.registration.value = "registered";
  busy.value = "join";
  busy.value = null;
  forgotten.times = 0;
});

test("the queue is left first", async () => {
  await leave();
  expect([asked, stillIn.value]).toEqual([["queue", "session"], false]);
});

test("who could not leave the queue is signed out: the service sees to the queue with the session", async () => {
  refusals["queue"] = 503;
  await leave();
  expect([asked, stillIn.value]).toEqual([["queue", "session"], false]);
});

test("a signing out that did not get through is told, until it does: the browser still knows the person", async () => {
  me.state = "absent";
  refusals["session"] = 0;
  await leave();
  expect([asked, stillIn.value]).toEqual([["session"], true]);
  delete refusals["session"];
  await leave();
  expect(stillIn.value).toBe(false);
});

test("nobody is signed out of a conversation, whatever asks for it", async () => {
  station.phone.call.value = { ...RINGING, stage: "live" };
  await leave();
  expect(asked).toEqual([]);
});

test("who is rung while they leave the queue stays signed in for their caller", async () => {
  meanwhile["queue"] = () => {
    station.phone.call.value = RINGING;
  };
  await leave();
  expect([asked, stillIn.value]).toEqual([["queue"], false]);
});

test.each([
  ["queue", 200],
  ["session", 0],
])(
  "who is rung while the %s is asked is told afterwards, if they do not answer, that they are still in",
  async (what, status) => {
    meanwhile[what] = () => {
      station.phone.call.value = RINGING;
    };
    if (status !== 200) refusals[what] = status;
    await leave();
    expect(stillIn.value).toBe(false);
    station.phone.call.value = null;
    expect(stillIn.value).toBe(true);
  },
);

test("whoever is signed out while it rings is gone from the page once nobody answered", async () => {
  meanwhile["session"] = () => {
    station.phone.call.value = RINGING;
  };
  await leave();
  expect([expired.value, forgotten.times]).toEqual([true, 0]);
  station.phone.call.value = null;
  expect([forgotten.times, stillIn.value]).toEqual([1, false]);
});

test("whoever is signed out while it rings keeps the page for the caller whom they answer", async () => {
  meanwhile["session"] = () => {
    station.phone.call.value = RINGING;
  };
  await leave();
  station.phone.call.value = { ...RINGING, stage: "answering" };
  station.phone.call.value = null;
  expect([forgotten.times, expired.value]).toEqual([0, true]);
});

test("who signed in again while it rang stays", async () => {
  meanwhile["session"] = () => {
    station.phone.call.value = RINGING;
  };
  await leave();
  expired.value = false;
  station.phone.call.value = null;
  expect(forgotten.times).toBe(0);
});

test("notes that were typed while it rang are not thrown away with the page", async () => {
  meanwhile["session"] = () => {
    station.phone.call.value = RINGING;
  };
  await leave();
  const unsaved = station.notebook.unsaved as Signal<unknown>;
  unsaved.value = [{ state: signal("waiting") }];
  station.phone.call.value = null;
  expect(forgotten.times).toBe(0);
  unsaved.value = [];
  expect(forgotten.times).toBe(1);
});

test("a signing out that failed is told again after a ring, and no more once somebody answers or takes calls", async () => {
  refusals["session"] = 0;
  await leave();
  expect(stillIn.value).toBe(true);
  station.phone.call.value = RINGING;
  expect(stillIn.value).toBe(false);
  station.phone.call.value = null;
  expect(stillIn.value).toBe(true);
  for (const stage of ["ringing", "answering", "live"] as const) station.phone.call.value = { ...RINGING, stage };
  station.phone.call.value = null;
  expect(stillIn.value).toBe(false);
  for (const again of ["join", "resume"] as const) {
    await leave();
    expect(stillIn.value).toBe(true);
    busy.value = again;
    expect(stillIn.value).toBe(false);
    busy.value = null;
  }
});

test("who is rung while the service fails to hear it is not shown a way out of the call", async () => {
  refusals["session"] = 0;
  meanwhile["session"] = () => {
    station.phone.call.value = RINGING;
  };
  await leave();
  expect(stillIn.value).toBe(false);
});

test("who answered while the service failed to hear it works on, also when the call is over", async () => {
  refusals["session"] = 0;
  meanwhile["session"] = () => {
    station.phone.call.value = { ...RINGING, stage: "live" };
  };
  await leave();
  station.phone.call.value = null;
  expect(stillIn.value).toBe(false);
});

test("whose phone is in another browser stays in the queue for it", async () => {
  station.phone.registration.value = "elsewhere";
  await leave();
  expect(asked).toEqual(["session"]);
});
