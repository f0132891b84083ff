/**
 * The words of the service's HTTP interface and live feed, by the names that the pages use. All shapes come from the
 * service's own description (schema.d.ts, made by `npm run types`): none is written here a second time.
 */

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Locale = Schemas["Me"]["locale"];
export type Me = Schemas["Me"];
export type PhoneAccount = Schemas["PhoneOut"];

/** Of one's own account: how one signs in, and where one is signed in. */
export type SecondStep = Schemas["SecondStepOut"];
export type Enrolment = Schemas["EnrolmentOut"];
export type RecoveryCodes = Schemas["RecoveryCodesOut"];
export type OwnSessions = Schemas["SessionsOut"];
export type OwnEvents = Schemas["EventsOut"];
export type OwnSession = Schemas["SessionOut"];

export type KnownCase = Schemas["KnownCase"];
/** A number used before is not a person identified. */
export type Known = Schemas["Known"];

export type Contact = Schemas["ContactOut"];
export type NotesSaved = Schemas["NotesSaved"];
export type DraftKeeping = Schemas["DraftKeeping"];
export type CaseRecord = Schemas["CaseOut"];
export type CaseContact = Schemas["ContactSummary"];
export type DiscardReason = Schemas["DiscardReason"];

export type ListenerState = Schemas["ListenerState"];
export type MyState = Schemas["MeView"];
export type LineState = Schemas["LineView"];
export type BoardCall = Schemas["CallView"];
export type BoardListener = Schemas["ListenerView"];
/** Something is wrong with the line; for writers the same, when it concerns what they write. */
export type AlarmState = Schemas["AlarmView"];

/** A call that rings at this listener's. `returning`: they were in conversation a moment ago. */
export type Offer = Schemas["OfferView"];
/** The listener's own contact until their writing-up has ended; the text of the notes never travels in the feed. */
export type ContactView = Schemas["ContactView"];

/** What is wrong with one field of what was sent. */
export type Fault = Schemas["Fault"];

/** One message of the live feed, and what it carries. */
export type LiveMessage = Schemas["LiveMessage"];
export type Entity = Extract<LiveMessage, { type: "snapshot" }>["entities"][number];
export type Kind = Entity["kind"];
/** The values of the live feed, by kind. */
export type Kinds = { [K in Kind]: NonNullable<Extract<Entity, { kind: K }>["value"]> };
