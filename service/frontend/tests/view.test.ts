import { describe, expect, test } from "vitest";
import type { ListenerState, MyState } from "../src/api/types";
import { awaitsCall, currentCallId, modeOf, type Sources } from "../src/listener/view";
import type { EndedCall, PhoneCall } from "../src/phone/phone";

const told = (state: ListenerState, pause_reason: string | null = null): MyState => ({
  state,
  pause_reason,
  since: "2026-11-21T11:00:00Z",
  phone_reachable: true,
  phone_session: null,
  ending_wrapup: false,
});
const phoneCall = (stage: PhoneCall["stage"]): PhoneCall => ({
  callId: "c1",
  stage,
  muted: false,
  held: false,
  media: "good",
});
const ended = (how: EndedCall["how"], answered = true): EndedCall => ({ callId: "c1", how, answered });
const mode = (sources: Partial<Sources>) =>
  modeOf({
    me: told("free"),
    connected: true,
    call: null,
    ended: null,
    readyByPhone: false,
    contactLeft: false,
    ...sources,
  });

describe("what the listener sees", () => {
  test("a call on the phone shows, whatever the service says", () => {
    expect(mode({ call: phoneCall("ringing"), me: null, connected: false })).toBe("ringing");
    expect(mode({ call: phoneCall("live"), me: told("absent") })).toBe("talking");
  });

  test.each(["absent", "free", "ringing", "wrap-up", "unreachable"] as const)("%s comes from the PBX", (state) => {
    expect(mode({ me: told(state) })).toBe(state);
  });

  test("who left the queue while they talked can still end the writing-up", () => {
    expect(mode({ me: told("absent"), contactLeft: true })).toBe("wrap-up");
  });

  test.each(["free", "unreachable"] as const)(
    "who wrote at a PBX that is lost ends it, also %s at another",
    (state) => {
      expect(mode({ me: told(state), contactLeft: true })).toBe("wrap-up");
      expect(mode({ me: told(state), contactLeft: true, call: phoneCall("ringing") })).toBe("ringing");
    },
  );

  test("a conversation that is not on this page's phone is said to be elsewhere", () => {
    expect(mode({ me: told("talking") })).toBe("elsewhere");
  });

  test("after hanging up, the view waits for the PBX's word", () => {
    expect(mode({ me: told("talking"), ended: ended("listener") })).toBe("ending");
    expect(mode({ me: told("wrap-up"), ended: ended("listener") })).toBe("wrap-up");
  });

  test("a lost leg says that the person is kept on the line", () => {
    expect(mode({ me: told("paused", "reconnecting"), ended: ended("lost") })).toBe("reconnecting");
    expect(mode({ connected: false, me: told("talking"), ended: ended("lost") })).toBe("reconnecting");
  });

  test("who is paused because their telephone refused every call is told so, with the service and without", () => {
    expect(mode({ me: told("paused", "fault") })).toBe("fault");
    expect(mode({ connected: false, me: told("paused", "fault") })).toBe("fault");
    expect(mode({ me: told("paused", "meal") })).toBe("paused");
  });

  test("without the service, a call that ended leads to writing-up", () => {
    expect(mode({ connected: false, me: told("talking"), ended: ended("other-side") })).toBe("wrap-up");
    expect(mode({ connected: false, me: null, ended: ended("listener") })).toBe("wrap-up");
  });

  test("without the service, being ready again was said by phone", () => {
    expect(mode({ connected: false, me: told("talking"), readyByPhone: true })).toBe("free");
  });

  test("without the service, a ring that was not answered is no conversation", () => {
    expect(mode({ connected: false, me: told("free"), ended: ended("other-side", false) })).toBe("free");
  });

  test("an old 'talking' is not believed once the service is away and no call is here", () => {
    expect(mode({ connected: false, me: told("talking") })).toBe("unknown");
  });

  test("before anything is known, nothing is claimed", () => {
    expect(mode({ me: null })).toBe("unknown");
    expect(mode({ me: null, connected: false })).toBe("unknown");
  });
});

describe("the next call is to be heard", () => {
  const awaits = (sources: Partial<Sources>) =>
    awaitsCall(mode(sources), { me: told("free"), connected: true, ...sources });

  test("by who is free, is rung, or has a caller come back", () => {
    expect(awaits({})).toBe(true);
    expect(awaits({ connected: false })).toBe(true);
    expect(awaits({ call: phoneCall("ringing") })).toBe(true);
    expect(awaits({ me: told("paused", "reconnecting") })).toBe(true);
  });

  test("by who writes for a PBX that is lost, and is free at another", () => {
    expect(awaits({ contactLeft: true })).toBe(true);
  });

  test("by nobody who writes, is absent, on a break or talks already", () => {
    expect(awaits({ me: told("wrap-up") })).toBe(false);
    expect(awaits({ me: told("absent"), contactLeft: true })).toBe(false);
    expect(awaits({ me: told("paused", "meal") })).toBe(false);
    expect(awaits({ call: phoneCall("live") })).toBe(false);
    expect(awaits({ connected: false, ended: ended("listener") })).toBe(false);
  });
});

describe("whose notes are open", () => {
  test("of the call on the phone", () => {
    expect(currentCallId(phoneCall("live"), "other", null)).toBe("c1");
  });

  test("of the contact that the service knows, while another call only rings", () => {
    expect(currentCallId(phoneCall("ringing"), "before", null)).toBe("before");
  });

  test("of the call just ended, until the service says", () => {
    expect(currentCallId(null, null, ended("listener"))).toBe("c1");
  });

  test("of nobody after a ring that was not answered", () => {
    expect(currentCallId(null, null, ended("other-side", false))).toBeNull();
  });
});
