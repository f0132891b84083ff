/**
 * What the listener's page shows, from two sources that fail separately: the phone of this page (a call is here or
 * not, whatever the service says) and the live feed (what Asterisk said, as long as the service is there).
 */

import type { MyState } from "../api/types";
import type { EndedCall, PhoneCall } from "../phone/phone";

/** `fault`: paused, their telephone refused every call. `elsewhere`: in conversation, not on this page's phone. `ending`: our phone hung up, the PBX confirms. */
export type Mode =
  | "unknown"
  | "absent"
  | "free"
  | "paused"
  | "fault"
  | "reconnecting"
  | "unreachable"
  | "ringing"
  | "talking"
  | "elsewhere"
  | "ending"
  | "wrap-up";

export interface Sources {
  readonly me: MyState | null;
  readonly connected: boolean;
  readonly call: PhoneCall | null;
  readonly ended: EndedCall | null;
  readonly readyByPhone: boolean;
  /** A conversation of theirs is over and its contact is still theirs. */
  readonly contactLeft: boolean;
}

export function modeOf(sources: Sources): Mode {
  const { call } = sources;
  if (call !== null) return call.stage === "ringing" ? "ringing" : "talking";
  return sources.connected ? told(sources) : alone(sources);
}

/** Whether the next call, or the one that rings, is theirs: also free at one PBX with a writing-up left of another. */
export function awaitsCall(mode: Mode, { me, connected }: Pick<Sources, "me" | "connected">): boolean {
  if (mode === "wrap-up") return connected && me?.state === "free";
  return mode === "free" || mode === "reconnecting" || mode === "ringing";
}

/** The feed is there: it is right, save for the instant after our own phone hung up. */
function told({ me, ended, contactLeft }: Sources): Mode {
  if (me === null) return "unknown";
  switch (me.state) {
    case "talking":
      return hungUp(ended) ? "ending" : "elsewhere";
    case "paused":
      return paused(me);
    case "absent":
    case "free":
    case "unreachable":
      // They left the queue while they talked, or wrote at a PBX that is lost: what remains is to end the writing-up.
      return contactLeft ? "wrap-up" : me.state;
    default:
      return me.state;
  }
}

/** The service is away: the phone's own last call says more than an old feed. */
function alone({ me, ended, readyByPhone }: Sources): Mode {
  if (readyByPhone) return "free";
  if (hungUp(ended)) return "wrap-up";
  if (ended?.how === "lost" && ended.answered) return "reconnecting";
  if (me === null) return "unknown";
  if (me.state === "talking" || me.state === "ringing") return "unknown";
  return me.state === "paused" ? paused(me) : me.state;
}

/** Two of the pauses are nobody's choice. */
function paused({ pause_reason: reason }: MyState): Mode {
  return reason === "reconnecting" || reason === "fault" ? reason : "paused";
}

function hungUp(ended: EndedCall | null): boolean {
  return ended?.answered === true && ended.how !== "lost";
}

/** Whose notes are open: the call on the phone, else the one that the service knows, else the one just ended. */
export function currentCallId(
  call: PhoneCall | null,
  contactCallId: string | null,
  ended: EndedCall | null,
): string | null {
  if (call !== null && call.stage !== "ringing") return call.callId ?? contactCallId;
  return contactCallId ?? (ended?.answered ? ended.callId : null);
}
