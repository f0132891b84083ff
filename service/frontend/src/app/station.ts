/** The parts of a signed-in page, made once: the live feed, the phone, the notes, the ring. */

import { effect, signal } from "@preact/signals";
import * as service from "../api/service";
import { LiveClient } from "../live/client";
import { LiveStore } from "../live/store";
import { Notebook } from "../notes/notebook";
import { openShelf } from "../notes/shelf";
import { Vault } from "../notes/vault";
import { Phone } from "../phone/phone";
import { RingTone } from "../phone/ring";
import { expired, me, recognise, stranger, verify } from "./session";

export const REMOTE_AUDIO_ID = "remote-audio";

export const live = new LiveStore();
export const vault = new Vault(openShelf);
export const notebook = new Notebook(service, vault);
export const ring = new RingTone();
export const phone = new Phone(service.phoneAccount, () => {
  const element = document.getElementById(REMOTE_AUDIO_ID);
  return element instanceof HTMLAudioElement ? element : null;
});
/** The PBX let us be free again while the service was away. */
export const readyByPhone = signal(false);

const client = new LiveClient(live, () => void verify(), recognise);

/** What is not saved yet lies in this browser as well, for this account alone; what an earlier page left comes back. */
function keepDrafts(accountId: number): void {
  void vault.open(accountId, service.draftKeeping, (callId, kept) => notebook.restore(callId, kept));
}

/** Starts and stops the parts with the session, for as long as the page lives. */
export function run(): void {
  effect(() => {
    const account = me.value;
    if (account) {
      client.start();
      if (account.listener) {
        void phone.start(account.account_id);
        keepDrafts(account.account_id);
      }
    } else if (account === null) {
      client.stop();
      phone.stop();
    }
  });
  effect(() => {
    if (!stranger.value) return;
    client.stop();
    // A conversation goes on; the phone goes when it is over. What was typed stays sealed for its owner.
    if (phone.call.value === null) phone.stop();
  });
  effect(() => {
    if (live.connected.value) {
      readyByPhone.value = false;
      notebook.retry();
      const account = me.peek();
      if (account?.listener) keepDrafts(account.account_id);
    }
  });
  let lost = false;
  effect(() => {
    // The service may have come back with other rules.
    if (live.failing.value) lost = true;
    else if (live.connected.value && lost) {
      lost = false;
      void verify();
    }
  });
  let wasNotSaving = false;
  effect(() => {
    const isNotSaving = live.notSaving.value !== null;
    // It saves again: what waits need not wait for its next turn.
    if (wasNotSaving && !isNotSaving && live.connected.peek()) notebook.retry();
    wasNotSaving = isNotSaving;
  });
  effect(() => {
    const contact = live.contact.value;
    if (contact !== null) notebook.meet(contact);
  });
  effect(() => {
    const state = live.me.value;
    if (live.connected.value && state !== null) phone.heldBy(state.phone_session);
  });
  effect(() => {
    // What the feed says outranks what the phone remembers of its last call.
    const state = live.me.value;
    if (!live.connected.value || state === null || phone.call.value !== null) return;
    const over = ["absent", "free", "unreachable"].includes(state.state);
    const pausing = state.state === "paused" && state.pause_reason !== "reconnecting";
    if (over || pausing) phone.lastEnded.value = null;
  });
  let wasExpired = false;
  effect(() => {
    const now = expired.value;
    if (wasExpired && !now && me.peek()) {
      notebook.retry();
      if (me.peek()?.listener) void phone.renew();
    }
    wasExpired = now;
  });
}
