/** What can be asked of the service, one function each. */

import { request } from "./http";
import type { CaseRecord, Contact, DiscardReason, Known, Locale, Me, NotesSaved, PhoneAccount } from "./types";

type Id = number;
const at = (id: Id | string): string => encodeURIComponent(String(id));

export const signIn = (username: string, password: string): Promise<Me> =>
  request("POST", "/session", { username, password });
export const signOut = (): Promise<unknown> => request("DELETE", "/session");
export const whoAmI = (): Promise<Me> => request("GET", "/session");
export const chooseLocale = (locale: Locale): Promise<unknown> => request("PATCH", "/session", { locale });

export const phoneAccount = (): Promise<PhoneAccount> => request("POST", "/phone", {});

export const joinQueue = (): Promise<unknown> => request("POST", "/listener/sign-in", {});
export const leaveQueue = (): Promise<unknown> => request("POST", "/listener/sign-out", {});
export const pause = (reason: string): Promise<unknown> => request("POST", "/listener/pause", { reason });
/** Ends a pause, and the writing-up after a call. */
export const resume = (): Promise<unknown> => request("POST", "/listener/resume", {});

export const endCall = (callId: string): Promise<unknown> => request("POST", `/calls/${at(callId)}/end`, {});
export const known = (callId: string, confirmed: boolean): Promise<Known> =>
  request("GET", `/calls/${at(callId)}/known${confirmed ? "?confirmed=true" : ""}`);

export const contact = (contactId: Id): Promise<Contact> => request("GET", `/contacts/${at(contactId)}`);
/** For notes that were typed before the service knew of the contact. */
export const contactOfCall = (callId: string): Promise<Contact> => request("GET", `/calls/${at(callId)}/contact`);
export const saveNotes = (contactId: Id, text: string, version: number): Promise<NotesSaved> =>
  request("PUT", `/contacts/${at(contactId)}/notes`, { text, version });

/** The accused may use this contact's number, too: nothing is told on its next call before somebody checked. */
export const shieldNumber = (contactId: Id, shielded: boolean): Promise<unknown> =>
  request("PUT", `/contacts/${at(contactId)}/shield`, { shielded });

export const linkCase = (contactId: Id, caseId: Id): Promise<unknown> =>
  request("POST", `/contacts/${at(contactId)}/case`, { case_id: caseId });
export const keepCase = (caseId: Id, department: string): Promise<unknown> =>
  request("POST", `/cases/${at(caseId)}/keep`, { department });
export const discardCase = (caseId: Id, reason: DiscardReason): Promise<unknown> =>
  request("POST", `/cases/${at(caseId)}/discard`, { reason });
export const caseRecord = (caseId: Id): Promise<CaseRecord> => request("GET", `/cases/${at(caseId)}`);
