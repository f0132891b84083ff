/**
 * The words of the service's HTTP interface and live feed, by the names that the pages use. They come from the service's
 * own description (schema.d.ts, made by `npm run types`); what that leaves open is written here.
 */

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Locale = Schemas["Me"]["locale"];
export type Me = Schemas["Me"];
export type PhoneAccount = Schemas["PhoneOut"];

export type KnownCase = Schemas["KnownCase"];
/** A number used before is not a person identified. */
export type Known = Schemas["Known"];

export type Contact = Schemas["ContactOut"];
export type NotesSaved = Schemas["NotesSaved"];
export type CaseRecord = Schemas["CaseOut"];
export type CaseContact = Schemas["ContactSummary"];
export type DiscardReason = Schemas["DiscardReason"];

export type ListenerState = Schemas["ListenerState"];
export type MyState = Schemas["MeView"];
export type LineState = Schemas["LineView"];
export type BoardCall = Schemas["CallView"];
export type BoardListener = Schemas["ListenerView"];

/** A call that rings at this listener's. `returning`: they were in conversation a moment ago. */
export interface Offer extends Known {
  call_id: string;
  rung_at: string;
  returning: boolean;
}

/** The listener's own contact until their writing-up has ended; the text of the notes never travels in the feed. */
export interface ContactView extends Omit<Contact, "notes"> {
  call_live: boolean;
}

/** What the live feed carries, by kind. */
export interface Kinds {
  line: LineState;
  me: MyState;
  offer: Offer;
  contact: ContactView;
  call: BoardCall;
  listener: BoardListener;
}

export type Kind = Schemas["Kind"];
