/** All notes that this page holds: of the call now, and of earlier ones as long as they are not saved. */

import { computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { ContactView } from "../api/types";
import { NotesDraft, type NotesService } from "./draft";
import type { Kept } from "./vault";

/** Where drafts are kept beside the page's memory. */
export interface Keeper {
  changed(callId: string, snapshot: () => Kept | null): void;
}

export class Notebook {
  readonly drafts: Signal<readonly NotesDraft[]> = signal([]);
  readonly unsaved: ReadonlySignal<readonly NotesDraft[]> = computed(() =>
    this.drafts.value.filter((draft) => !["empty", "saved"].includes(draft.state.value)),
  );

  constructor(
    private readonly service: NotesService,
    private readonly keeper: Keeper = { changed: () => {} },
  ) {}

  /** The notes of a call, opened on first use. */
  of(callId: string): NotesDraft {
    const found = this.drafts.peek().find((draft) => draft.callId === callId);
    if (found !== undefined) return found;
    const draft = new NotesDraft(callId, this.service, (changed) => this.keeper.changed(callId, () => changed.kept()));
    const done = this.drafts.peek().filter(isDone);
    for (const old of done) old.close();
    this.drafts.value = [...this.drafts.peek().filter((old) => !done.includes(old)), draft];
    return draft;
  }

  /** Found in the browser: typed on a page that is gone, and never acknowledged. */
  restore(callId: string, kept: Kept): void {
    this.of(callId).restore(kept);
  }

  /** The service told of the contact of a call of ours. */
  meet(contact: ContactView): void {
    this.of(contact.call_id).bind(contact.contact_id);
  }

  /**
   * Before the person goes on from writing: may they? Not before the notes are saved, as long as the service answers;
   * while it is away the notes wait on this page, and listeners are free for callers without it. Who was told that
   * they are not saved and goes on all the same decided that in person: the page still keeps the notes.
   */
  async settle(callId: string | null, connected: () => boolean, told: boolean): Promise<boolean> {
    if (callId === null || (await this.of(callId).flush())) return true;
    return told || !connected();
  }

  retry(): void {
    for (const draft of this.drafts.peek()) draft.retry();
  }
}

function isDone(draft: NotesDraft): boolean {
  return ["empty", "saved"].includes(draft.state.peek());
}
