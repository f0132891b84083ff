/** The words of the service's HTTP interface and live feed. Times are ISO 8601 in UTC. */

export type Locale = "fr" | "en";
export type Role = "listener" | "supervisor" | "coordinator" | "analyst" | "dpo" | "administrator";

export interface PauseReason {
  key: string;
  label_fr: string;
  label_en: string;
}

export interface Me {
  account_id: number;
  username: string;
  display_name: string;
  roles: Role[];
  locale: Locale;
  /** Takes calls: has a phone here. */
  listener: boolean;
  pause_reasons: PauseReason[];
}

export interface PhoneAccount {
  endpoint: string;
  sip_uri: string;
  password: string;
  websocket_url: string;
}

export interface KnownCase {
  case_id: string | number;
  reference: string | null;
  status: string;
  department: string | null;
  opened_at: string;
  last_contact_at: string | null;
}

export type NumberKnown = "known" | "unknown" | "anonymous";

/** A number used before is not a person identified. */
export interface Known {
  number: NumberKnown;
  shielded: boolean;
  contacts: number;
  last_contact_at: string | null;
  cases: KnownCase[];
}

export interface Offer extends Known {
  call_id: string;
  rung_at: string;
  /** The caller was in conversation with this listener a moment ago. */
  returning: boolean;
}

export interface ContactView {
  contact_id: string | number;
  call_id: string;
  case_id: string | number;
  case_reference: string | null;
  case_status: string;
  notes_version: number;
  saved_at: string | null;
  started_at: string;
  ended_at: string | null;
  listener_name: string;
  /** In the live feed only. */
  call_live?: boolean;
}

export interface Contact extends ContactView {
  notes: string;
}

export interface NotesSaved {
  version: number;
  saved_at: string;
}

export interface CaseRecord {
  case_id: string | number;
  reference: string | null;
  status: string;
  department: string | null;
  centre: string | null;
  contacts: CaseContact[];
}

export interface CaseContact {
  contact_id: string | number;
  started_at: string;
  ended_at?: string | null;
  listener_name?: string | null;
  notes?: string | null;
}

export type ListenerState = "absent" | "free" | "ringing" | "talking" | "wrap-up" | "paused" | "unreachable";

export interface MyState {
  state: ListenerState;
  pause_reason: string | null;
  since: string | null;
  phone_reachable: boolean;
  ending_wrapup: boolean;
}

export interface LineState {
  state: "up" | "lost" | "refused" | "starting";
  as_of: string | null;
  since: string | null;
}

export type CallStage = "entry" | "closed" | "waiting" | "talking" | "lost" | "overflow" | "ended";

export interface BoardCall {
  call_id: string;
  stage: CallStage;
  queue: string | null;
  arrived_at: string;
  waiting_since: string | null;
  position: number | null;
  listener_id: number | null;
  listener_name: string | null;
  answered_at: string | null;
  centre: string | null;
}

export interface BoardListener {
  account_id: number;
  name: string;
  state: ListenerState;
  pause_reason: string | null;
  since: string | null;
  queues: string[];
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

export type Kind = keyof Kinds;

export type DiscardReason = "wrong-number" | "hoax" | "silent";
