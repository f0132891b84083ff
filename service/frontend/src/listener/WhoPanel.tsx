/** What is known of the number before anybody speaks: never who the person is. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Known } from "../api/types";
import { live } from "../app/station";
import { day, words } from "../i18n";
import { ask, type CallerKnown, confirm, isOpened, knownOf, shield } from "./caller";

/** What is known of the number: never who the person is. */
export function WhoSummary({ callId }: { callId: string }) {
  const w = words.value.who;
  const known = knownOf(callId);
  if (known === "asking")
    return (
      <p class="who-line" data-testid="offer-number" data-number="asking">
        {words.value.app.loading}
      </p>
    );
  if (known === null || known === "unavailable")
    return (
      <div class="who">
        <p class="who-line" data-testid="offer-number" data-number="unavailable">
          <strong>{w.unavailable}</strong>
        </p>
        <p class="hint">{w.unavailableHelp}</p>
      </div>
    );
  const [title, help] = headline(known);
  return (
    <div class="who">
      <p class="who-line" data-testid="offer-number" data-number={known.shielded ? "shielded" : known.number}>
        <strong>{title}</strong>
        {known.number === "known" && !known.shielded && known.contacts > 0 && <span> · {visits(known)}</span>}
      </p>
      <p class="hint">{help}</p>
    </div>
  );
}

function headline(known: Known): readonly [string, string] {
  const w = words.value.who;
  if (known.shielded) return [w.shielded, w.shieldedHelp];
  return {
    known: [w.known, w.knownHelp],
    unknown: [w.unknown, w.unknownHelp],
    anonymous: [w.anonymous, w.anonymousHelp],
    unavailable: [w.unavailable, w.unavailableHelp],
  }[known.number] as [string, string];
}

function visits(known: Known): string {
  const w = words.value.who;
  const last = day(known.last_contact_at);
  return last === null ? w.contacts(known.contacts) : `${w.contacts(known.contacts)}, ${w.last(last)}`;
}

export function WhoPanel({ callId }: { callId: string }) {
  const w = words.value.who;
  const known: CallerKnown | null = knownOf(callId);
  const connected = live.connected.value;
  useEffect(() => {
    // After a reload, or when the service or its database was away while the phone rang.
    if (connected && (known === null || known === "unavailable")) void ask(callId);
  }, [callId, connected, known]);
  return (
    <section class="card tight" aria-labelledby="who-title">
      <h2 id="who-title">{w.title}</h2>
      <WhoSummary callId={callId} />
      {typeof known === "object" && known?.shielded === true && <Confirm key={callId} callId={callId} />}
      {typeof known === "object" && known !== null && <Shield callId={callId} known={known} />}
    </section>
  );
}

/** Who is speaking was checked: what is known of the number may be shown. */
function Confirm({ callId }: { callId: string }) {
  const failing = useSignal(false);
  const confirmed = async (): Promise<void> => {
    failing.value = false;
    failing.value = !(await confirm(callId));
  };
  return (
    <>
      <button type="button" class="button" data-testid="confirm-identity" onClick={() => void confirmed()}>
        {words.value.who.confirm}
      </button>
      <p class="form-error" role="alert" data-testid="confirm-error">
        {failing.value && words.value.case.notShown}
      </p>
    </>
  );
}

/** The accused often shares the telephone: the listener can see to it that nothing is told to whoever calls next. */
function Shield({ callId, known }: { callId: string; known: Known }) {
  const w = words.value.who;
  const failing = useSignal(false);
  const contact = live.contact.value;
  if (known.shielded || known.number === "anonymous" || contact?.call_id !== callId) return null;
  if (isOpened(callId))
    return (
      <p class="hint" role="status" data-testid="number-shielded">
        {w.shieldStays}
      </p>
    );
  const shielded = async (): Promise<void> => {
    failing.value = false;
    failing.value = !(await shield(callId, contact.contact_id));
  };
  return (
    <details class="shield">
      <summary>{w.shieldTitle}</summary>
      <p class="hint">{w.shieldHelp}</p>
      <button type="button" class="button small" data-testid="shield-number" onClick={() => void shielded()}>
        {w.shield}
      </button>
      <p class="form-error" role="alert">
        {failing.value && w.shieldFailed}
      </p>
    </details>
  );
}
