import { useSignal } from "@preact/signals";
import { caseRecord, linkCase } from "../api/service";
import type { CaseRecord, ContactView, KnownCase } from "../api/types";
import { clockTime, day, words } from "../i18n";
import { knownOf } from "./caller";

/** Cases of this number. Reading one is a deliberate click, and on the audit trail. */
export function KnownCases({ callId, contact }: { callId: string; contact: ContactView | null }) {
  const w = words.value;
  const known = knownOf(callId);
  if (known === null || typeof known === "string" || known.shielded || known.number !== "known") return null;
  const others = known.cases.filter((found) => found.case_id !== contact?.case_id);
  return (
    <div class="known-cases">
      <h3>{w.who.cases}</h3>
      {others.length === 0 ? (
        <p class="hint">{w.who.noCases}</p>
      ) : (
        <ul class="plain">
          {others.map((found) => (
            <Known key={String(found.case_id)} found={found} contact={contact} />
          ))}
        </ul>
      )}
    </div>
  );
}

function Known({ found, contact }: { found: KnownCase; contact: ContactView | null }) {
  const w = words.value.case;
  const record = useSignal<CaseRecord | null>(null);
  const failing = useSignal(false);
  const reference = found.reference ?? w.unnamed;
  const open = async (): Promise<void> => {
    failing.value = false;
    try {
      record.value = await caseRecord(found.case_id);
    } catch {
      failing.value = true;
    }
  };
  const link = async (): Promise<void> => {
    failing.value = false;
    try {
      if (contact !== null) await linkCase(contact.contact_id, found.case_id);
    } catch {
      failing.value = true;
    }
  };
  const opened = day(found.opened_at);
  return (
    <li class="known-case">
      <p>
        <strong>{reference}</strong> · {w.status[found.status] ?? found.status}
        {found.department !== null && <> · {found.department}</>}
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
        {contact?.case_status === "draft" && (
          <button type="button" class="button small" data-testid="link-case" onClick={() => void link()}>
            {w.link}
          </button>
        )}
      </div>
      {record.value !== null && <Record record={record.value} />}
      <p class="form-error" role="alert">
        {failing.value && w.failed}
      </p>
    </li>
  );
}

function Record({ record }: { record: CaseRecord }) {
  const w = words.value.case;
  return (
    <div class="record" data-testid="case-record">
      {record.department !== null && <p>{w.departmentOf(record.department)}</p>}
      {record.centre !== null && <p>{w.centre(record.centre)}</p>}
      <h4>{w.history}</h4>
      {record.contacts.length === 0 && <p class="hint">{w.noHistory}</p>}
      <ul class="plain">
        {record.contacts.map((visit) => (
          <li key={String(visit.contact_id)}>
            <p class="hint">
              {day(visit.started_at)}, {clockTime(visit.started_at)}
              {visit.listener_name ? ` · ${visit.listener_name}` : ""}
            </p>
            {visit.notes ? <p class="stored-text">{visit.notes}</p> : null}
          </li>
        ))}
      </ul>
    </div>
  );
}
