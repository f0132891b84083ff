/** Cases in which this number was used before; none is opened by itself. */

import { useSignal } from "@preact/signals";
import { ApiError } from "../api/http";
import { contact as askContact, caseRecord, linkCase } from "../api/service";
import type { CaseContact, CaseRecord, ContactView, KnownCase } from "../api/types";
import { clockTime, day, words } from "../i18n";
import { centreName } from "../i18n/places";
import { knownOf } from "./caller";

/** Cases of this number. Reading one is a deliberate click, and on the audit trail. */
export function KnownCases({ callId, contact }: { callId: string; contact: ContactView | null }) {
  const w = words.value;
  const known = knownOf(callId);
  if (known === null || typeof known === "string" || known.shielded || known.number !== "known") return null;
  return (
    <div class="known-cases">
      <h3>{w.who.cases}</h3>
      {known.cases.length === 0 ? (
        <p class="hint">{w.who.noCases}</p>
      ) : (
        <ul class="plain">
          {known.cases.map((found) => (
            <Known key={found.case_id} found={found} contact={contact} />
          ))}
        </ul>
      )}
    </div>
  );
}

function Known({ found, contact }: { found: KnownCase; contact: ContactView | null }) {
  const w = words.value.case;
  const record = useSignal<CaseRecord | null>(null);
  const failing = useSignal<"" | "open" | "link" | "names">("");
  const reference = found.reference ?? w.unnamed;
  const open = async (): Promise<void> => {
    failing.value = "";
    try {
      record.value = await caseRecord(found.case_id);
    } catch {
      failing.value = "open";
    }
  };
  const link = async (): Promise<void> => {
    failing.value = "";
    try {
      if (contact !== null) await linkCase(contact.contact_id, found.case_id);
    } catch (error) {
      failing.value = error instanceof ApiError && error.id === "names-too-long" ? "names" : "link";
    }
  };
  const opened = day(found.opened_at);
  return (
    <li class="known-case">
      <p>
        <strong>{reference}</strong> · {w.status[found.status] ?? found.status}
        {found.department !== null && <> · {found.department}</>}
        {found.case_id === contact?.case_id && <> · {w.thisOne}</>}
      </p>
      {opened !== null && <p class="hint">{w.opened(opened)}</p>}
      <div class="actions">
        {record.value === null ? (
          <button type="button" class="button small" data-testid="open-case" onClick={() => void open()}>
            {w.open(reference)}
          </button>
        ) : (
          <button
            type="button"
            class="button small"
            onClick={() => {
              record.value = null;
            }}
          >
            {w.close}
          </button>
        )}
        {contact?.case_status === "draft" && found.case_id !== contact.case_id && (
          <button type="button" class="button small" data-testid="link-case" onClick={() => void link()}>
            {w.link}
          </button>
        )}
      </div>
      {record.value !== null && <Record record={record.value} />}
      <p class="form-error" role="alert" data-testid="case-error">
        {failing.value !== "" && { open: w.notShown, link: w.failed, names: w.namesTooLong }[failing.value]}
      </p>
    </li>
  );
}

function Record({ record }: { record: CaseRecord }) {
  const w = words.value.case;
  return (
    <div class="record" data-testid="case-record">
      {record.department !== null && <p>{w.departmentOf(record.department)}</p>}
      {record.centre !== null && <p>{centreName(record.centre, words.value.places)}</p>}
      <h4>{w.history}</h4>
      {record.contacts.length === 0 && <p class="hint">{w.noHistory}</p>}
      <ul class="plain">
        {record.contacts.map((visit) => (
          <Visit key={visit.contact_id} visit={visit} />
        ))}
      </ul>
    </div>
  );
}

/** One earlier conversation; its notes are read by a click of their own. */
function Visit({ visit }: { visit: CaseContact }) {
  const w = words.value.case;
  const notes = useSignal<string | null>(null);
  const failing = useSignal(false);
  const read = async (): Promise<void> => {
    failing.value = false;
    try {
      notes.value = (await askContact(visit.contact_id)).notes;
    } catch {
      failing.value = true;
    }
  };
  return (
    <li class="known-case">
      <p class="hint">
        {day(visit.started_at)}, {clockTime(visit.started_at)}
        {visit.listener_name === null ? "" : ` · ${visit.listener_name}`}
      </p>
      {notes.value !== null ? (
        <p class="stored-text">{notes.value}</p>
      ) : visit.has_notes ? (
        <div>
          <button type="button" class="button small" data-testid="read-notes" onClick={() => void read()}>
            {w.readNotes}
          </button>
        </div>
      ) : (
        <p class="hint">{w.noNotes}</p>
      )}
      <p class="form-error" role="alert">
        {failing.value && w.notShown}
      </p>
    </li>
  );
}
