/** The notes of the conversation, and whether they are safe. */

import { useEffect, useRef } from "preact/hooks";
import { faultSentence } from "../api/faults";
import { live, notebook, vault } from "../app/station";
import { clockTime, words } from "../i18n";
import type { NotesDraft } from "../notes/draft";
import { Icon, type IconName } from "../shell/Icon";
import { ARIA_KEYS } from "./shortcuts";

export function NotesPanel({ callId }: { callId: string }) {
  const w = words.value.notes;
  const draft = notebook.of(callId);
  const area = useRef<HTMLTextAreaElement>(null);
  // The answer button is gone: the keyboard goes where the work is.
  useEffect(() => {
    if (document.activeElement === document.body) area.current?.focus();
  }, [callId]);
  return (
    <section class="card notes" aria-labelledby="notes-title">
      <div class="notes-head">
        <h2 id="notes-title">{w.title}</h2>
        <NotesStateLine draft={draft} />
      </div>
      <label class="unseen" for="notes">
        {w.label}
      </label>
      <textarea
        ref={area}
        id="notes"
        data-testid="notes"
        aria-describedby="notes-help"
        aria-keyshortcuts={ARIA_KEYS.notes}
        autocomplete="off"
        value={draft.text.value}
        onInput={(event) => draft.type(event.currentTarget.value)}
      />
      <p class="hint" id="notes-help">
        {live.notSaving.value === null && w.help}
      </p>
      <p class="hint" role="status">
        {draft.restored.value && w.restored}
      </p>
      <Conflict draft={draft} />
    </section>
  );
}

const MARKS: Record<string, IconName> = { saved: "check", waiting: "warning", conflict: "warning", refused: "warning" };

function NotesStateLine({ draft }: { draft: NotesDraft }) {
  const state = draft.state.value;
  const time = clockTime(draft.savedAt.value);
  const sentence = sentenceOf(draft, state === "saved" ? time : null);
  const calm = state === "empty" || state === "unsaved" || state === "saving";
  return (
    <p
      class={`notes-state notes-${state}`}
      data-testid="notes-state"
      data-state={state}
      role={calm ? undefined : "status"}
    >
      <Icon name={MARKS[state] ?? "pen"} />
      <span>{sentence}</span>
    </p>
  );
}

function sentenceOf(draft: NotesDraft, savedAt: string | null): string {
  const w = words.value.notes;
  const state = draft.state.value;
  if (savedAt !== null) return w.savedAt(savedAt);
  const stuck = state === "waiting" || (live.notSaving.value !== null && (state === "unsaved" || state === "saving"));
  if (stuck) return vault.where.value === "browser" ? w.waiting : w.waitingOnPage;
  if (state !== "refused") return w[state];
  const why = faultSentence(draft.refusal.value, words.value.faults);
  return why === null ? w.refused : `${w.refused} ${why}`;
}

function Conflict({ draft }: { draft: NotesDraft }) {
  const w = words.value.notes;
  const theirs = draft.theirs.value;
  if (theirs === null) return null;
  return (
    <div class="conflict" data-testid="notes-conflict">
      <h3>{w.theirs}</h3>
      <p class="stored-text">{theirs}</p>
      <div class="actions">
        <button type="button" class="button primary" onClick={() => draft.resolve(`${theirs}\n\n${draft.text.value}`)}>
          {w.both}
        </button>
        <button type="button" class="button" onClick={() => draft.resolve(draft.text.value)}>
          {w.mine}
        </button>
      </div>
    </div>
  );
}
