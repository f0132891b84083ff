/** The case beside the conversation: its department, and whether it is kept. */

import { useSignal } from "@preact/signals";
import { faultSentence } from "../api/faults";
import { ApiError } from "../api/http";
import { discardCase, keepCase } from "../api/service";
import type { ContactView, DiscardReason } from "../api/types";
import { live } from "../app/station";
import { words } from "../i18n";
import { DEPARTMENTS } from "./departments";
import { KnownCases } from "./KnownCases";

const REASONS: readonly DiscardReason[] = ["wrong-number", "hoax", "silent"];

export function CasePanel({ callId }: { callId: string }) {
  const w = words.value.case;
  const contact = live.contact.value;
  const ours = contact?.call_id === callId ? contact : null;
  return (
    <section class="card tight case" aria-labelledby="case-title">
      <h2 id="case-title">{w.title}</h2>
      {ours === null ? <p class="hint">{w.afterReturn}</p> : <Current key={ours.case_id} contact={ours} />}
      <KnownCases callId={callId} contact={ours} />
    </section>
  );
}

function Current({ contact }: { contact: ContactView }) {
  const w = words.value.case;
  const failing = useSignal<ApiError | null>(null);
  const busy = useSignal(false);
  const act = async (what: Promise<unknown>): Promise<void> => {
    busy.value = true;
    failing.value = null;
    try {
      await what;
    } catch (error) {
      failing.value = error instanceof ApiError ? error : new ApiError("unknown", 500, "");
    } finally {
      busy.value = false;
    }
  };
  const status = w.status[contact.case_status] ?? contact.case_status;
  return (
    <>
      <p class="case-line" data-testid="case-status" data-status={contact.case_status}>
        <strong>{contact.case_reference === null ? w.draft : w.reference(contact.case_reference)}</strong>
        {contact.case_reference !== null && <span> · {status}</span>}
      </p>
      {contact.case_status === "draft" && <Keep contact={contact} busy={busy.value} act={act} />}
      {contact.case_status === "draft" && <Discard contact={contact} busy={busy.value} act={act} />}
      {contact.case_status === "discarded" && <p class="hint">{w.discardHelp}</p>}
      <p class="form-error" role="alert">
        {failing.value !== null && (faultSentence(failing.value, words.value.faults) ?? w.failed)}
      </p>
    </>
  );
}

interface Act {
  contact: ContactView;
  busy: boolean;
  act: (what: Promise<unknown>) => Promise<void>;
}

function Keep({ contact, busy, act }: Act) {
  const w = words.value.case;
  const department = useSignal("");
  return (
    <>
      <p class="hint">{w.draftHelp}</p>
      <label class="field">
        <span>{w.department}</span>
        <select
          data-testid="department"
          value={department.value}
          onChange={(event) => {
            department.value = event.currentTarget.value;
          }}
        >
          <option value="">{w.choose}</option>
          <option value="00">{w.notSaid}</option>
          {DEPARTMENTS.map(([code, name]) => (
            <option key={code} value={code}>
              {code} – {name}
            </option>
          ))}
        </select>
      </label>
      <button
        type="button"
        class="button primary"
        data-testid="keep-case"
        disabled={busy || department.value === ""}
        onClick={() => void act(keepCase(contact.case_id, department.value))}
      >
        {w.keep}
      </button>
    </>
  );
}

function Discard({ contact, busy, act }: Act) {
  const w = words.value.case;
  const open = useSignal(false);
  if (!open.value)
    return (
      <button
        type="button"
        class="button quiet-button"
        data-testid="discard-case"
        aria-expanded="false"
        onClick={() => {
          open.value = true;
        }}
      >
        {w.discard}
      </button>
    );
  return (
    <fieldset class="choices">
      <legend>{w.discardTitle}</legend>
      <p class="hint">{w.discardHelp}</p>
      <div class="choice-list">
        {REASONS.map((reason) => (
          <button
            key={reason}
            type="button"
            class="button"
            data-testid={`discard-reason-${reason}`}
            disabled={busy}
            onClick={() => void act(discardCase(contact.case_id, reason))}
          >
            {w.reasons[reason]}
          </button>
        ))}
        <button
          type="button"
          class="button quiet-button"
          onClick={() => {
            open.value = false;
          }}
        >
          {w.cancel}
        </button>
      </div>
    </fieldset>
  );
}
