/** Whether notes are safe, and what to do when they are not: of the call now, and of earlier ones. */

import { faultSentence } from "../api/faults";
import { live, vault } from "../app/station";
import { clockTime, words } from "../i18n";
import { Icon, type IconName } from "../shell/Icon";
import type { NotesDraft } from "./draft";

const MARKS: Record<string, IconName> = { saved: "check", waiting: "warning", conflict: "warning", refused: "warning" };

export function NotesStateLine({ draft }: { draft: NotesDraft }) {
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
  const why = refusalSentence(draft);
  return why === null ? w.refused : `${w.refused} ${why}`;
}

/** Null: the service says no more than no. */
function refusalSentence({ refusal }: NotesDraft): string | null {
  if (refusal.value?.id === "case-discarded") return words.value.notes.refusedDiscarded;
  return faultSentence(refusal.value, words.value.faults);
}

/** Both texts, and the choice that only the person can make. */
export function Conflict({ draft }: { draft: NotesDraft }) {
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
