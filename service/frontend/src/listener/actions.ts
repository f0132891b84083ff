/** What the listener asks for. The view does not change here: it changes when the PBX's event comes back. */

import { effect, signal } from "@preact/signals";
import { ApiError } from "../api/http";
import * as service from "../api/service";
import { live, notebook, phone, readyByPhone, ring } from "../app/station";
import { tryMicrophone } from "../phone/microphone";
import { callNow } from "./mode";

export type ActionName = "join" | "leave" | "pause" | "resume" | "end-wrapup" | "end";

/** What is on its way, and what did not get through. */
export const busy = signal<ActionName | null>(null);
export const failed = signal<ActionName | "notes" | null>(null);

/** The PBX's own word for the end should come within this; else the service is asked to end the leg. */
const END_CONFIRMED_MS = 3_000;

class NotesNotSaved extends Error {}

effect(() => {
  // Once those are saved it is over: whatever is typed from then on has not failed, and nobody was told so.
  if (failed.value !== "notes") return;
  const callId = callNow.value;
  if (callId === null || ["empty", "saved"].includes(notebook.of(callId).state.value)) failed.value = null;
});

async function attempt(name: ActionName, act: (told: boolean) => Promise<unknown>): Promise<void> {
  const told = failed.peek() === "notes";
  busy.value = name;
  failed.value = null;
  try {
    await act(told);
  } catch (error) {
    failed.value = error instanceof NotesNotSaved ? "notes" : name;
  } finally {
    busy.value = null;
  }
}

/** The microphone first: better now than when a caller already waits. */
export const join = (): Promise<void> =>
  attempt("join", async () => {
    void ring.unlock();
    phone.microphone.value = await tryMicrophone();
    if (phone.microphone.value === null) await service.joinQueue();
  });

export const leave = (): Promise<void> =>
  attempt("leave", async (told) => {
    await notesFirst(told);
    await service.leaveQueue();
  });

export const takeBreak = (reason: string): Promise<void> =>
  attempt("pause", async (told) => {
    await notesFirst(told);
    await service.pause(reason);
  });

export const resume = (): Promise<void> => attempt("resume", freeAgain);

export const endWrapUp = (): Promise<void> =>
  attempt("end-wrapup", async (told) => {
    await notesFirst(told);
    await freeAgain();
  });

async function notesFirst(told: boolean): Promise<void> {
  if (!(await notebook.settle(callNow.peek(), () => live.connected.peek(), told))) throw new NotesNotSaved();
}

/** By the service; when it is away, the phone says it to the PBX itself. */
async function freeAgain(): Promise<void> {
  try {
    await service.resume();
  } catch (error) {
    if (!(error instanceof ApiError) || !(error.unreachable || error.status >= 500)) throw error;
    if (!(await phone.dialReady())) throw error;
    if (!live.connected.peek()) {
      phone.lastEnded.value = null;
      readyByPhone.value = true;
    }
  }
}

/** The listener ends the conversation: by the phone's own BYE, else by the service. */
export const endCall = (): Promise<void> =>
  attempt("end", async () => {
    const callId = callNow.peek();
    if (phone.end()) {
      if (callId !== null) setTimeout(() => void confirmEnd(callId), END_CONFIRMED_MS);
      return;
    }
    if (callId === null) throw new ApiError("no-call", 404, "");
    await service.endCall(callId);
  });

async function confirmEnd(callId: string): Promise<void> {
  const contact = live.contact.peek();
  const stillLive = live.connected.peek() && contact?.call_id === callId && contact.call_live === true;
  if (stillLive && phone.call.peek() === null) await service.endCall(callId).catch(() => undefined);
}
