/** The notes of the conversation, and whether they are safe. */

import { useEffect, useRef } from "preact/hooks";
import { live, notebook } from "../app/station";
import { words } from "../i18n";
import { Conflict, NotesStateLine } from "../notes/NotesState";
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
