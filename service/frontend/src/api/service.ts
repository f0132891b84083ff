/** What can be asked of the service, one function each. */

import { request } from "./http";
import type {
  CaseRecord,
  Contact,
  DiscardReason,
  DraftKeeping,
  Enrolment,
  Known,
  Locale,
  Me,
  NotesSaved,
  OwnEvents,
  OwnSessions,
  PhoneAccount,
  RecoveryCodes,
  SecondStep,
} from "./types";

type Id = number;
const at = (id: Id | string): string => encodeURIComponent(String(id));

/** `code`: of the second step, or a recovery code, where the account has one. */
export const signIn = (username: string, password: string, code: string | null): Promise<Me> =>
  request("POST", "/session", code === null ? { username, password } : { username, password, code });
export const signOut = (): Promise<unknown> => request("DELETE", "/session");
export const whoAmI = (): Promise<Me> => request("GET", "/session");
export const chooseLocale = (locale: Locale): Promise<unknown> => request("PATCH", "/session", { locale });

export const ownSessions = (): Promise<OwnSessions> => request("GET", "/account/sessions");
export const ownEvents = (): Promise<OwnEvents> => request("GET", "/account/events");
export const endSession = (id: Id): Promise<unknown> => request("DELETE", `/account/sessions/${at(id)}`);
export const endOtherSessions = (): Promise<unknown> => request("POST", "/account/sessions/end-others", {});
export const secondStep = (): Promise<SecondStep> => request("GET", "/account/second-step");
export const beginSecondStep = (password: string): Promise<Enrolment> =>
  request("POST", "/account/second-step", { password });
export const confirmSecondStep = (code: string): Promise<RecoveryCodes> =>
  request("POST", "/account/second-step/confirm", { code });
/** Those from before hold no more. `code`: what the telephone shows now. */
export const renewRecoveryCodes = (password: string, code: string): Promise<RecoveryCodes> =>
  request("POST", "/account/second-step/codes", { password, code });
export const removeSecondStep = (password: string): Promise<SecondStep> =>
  request("POST", "/account/second-step/remove", { password });

export const phoneAccount = (): Promise<PhoneAccount> => request("POST", "/phone", {});

export const joinQueue = (): Promise<unknown> => request("POST", "/listener/sign-in", {});
export const leaveQueue = (): Promise<unknown> => request("POST", "/listener/sign-out", {});
export const pause = (reason: string): Promise<unknown> => request("POST", "/listener/pause", { reason });
/** Ends a pause, and the writing-up after a call. */
export const resume = (): Promise<unknown> => request("POST", "/listener/resume", {});

export const endCall = (callId: string): Promise<unknown> => request("POST", `/calls/${at(callId)}/end`, {});
export const known = (callId: string): Promise<Known> => request("GET", `/calls/${at(callId)}/known`);
/** Whoever talks has checked who is speaking: answers what a shielded number hides. */
export const confirmSpeaker = (callId: string): Promise<Known> =>
  request("POST", `/calls/${at(callId)}/known/confirm`, {});

export const contact = (contactId: Id): Promise<Contact> => request("GET", `/contacts/${at(contactId)}`);
/** For notes that were typed before the service knew of the contact. */
export const contactOfCall = (callId: string): Promise<Contact> => request("GET", `/calls/${at(callId)}/contact`);
export const saveNotes = (contactId: Id, text: string, version: number): Promise<NotesSaved> =>
  request("PUT", `/contacts/${at(contactId)}/notes`, { text, version });

/** What this page needs to keep unsaved notes in the browser. */
export const draftKeeping = (): Promise<DraftKeeping> => request("GET", "/drafts");

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
