/** What the listener's page is about now: ringing, a conversation, writing up, or none of it. */

import { computed } from "@preact/signals";
import { live, phone, readyByPhone, ring } from "../app/station";
import { awaitsCall, currentCallId, type Mode, modeOf } from "./view";

export const modeNow = computed<Mode>(() =>
  modeOf({
    me: live.me.value,
    connected: live.connected.value,
    call: phone.call.value,
    ended: phone.lastEnded.value,
    readyByPhone: readyByPhone.value,
    contactLeft: live.contact.value?.call_live === false,
  }),
);

/** Null when there is no conversation to write about. */
export const callNow = computed<string | null>(() =>
  currentCallId(phone.call.value, live.contact.value?.call_id ?? null, phone.lastEnded.value),
);

/** The next call, or the one that rings, is to be heard on this page. */
export const ringsHere = computed<boolean>(
  () =>
    phone.registration.value === "registered" &&
    awaitsCall(modeNow.value, { me: live.me.value, connected: live.connected.value }),
);

/** And would not be: browsers keep a page silent until somebody touches it, after a reload as well. */
export const ringsUnheard = computed<boolean>(() => ringsHere.value && ring.audible.value === false);

/** Shown while the person talks, and while they write. */
export const writing = computed<boolean>(() =>
  ["talking", "elsewhere", "ending", "wrap-up", "reconnecting"].includes(modeNow.value),
);
