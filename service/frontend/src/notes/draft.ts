/**
 * The notes of one call, until the service committed them. They are typed without waiting for anything: the service may
 * be away, the contact may not exist there yet. Nothing typed is ever thrown away by the page; the vault keeps it in
 * the browser meanwhile.
 */

import { computed, effect, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { ApiError } from "../api/http";
import type { Contact, NotesSaved } from "../api/types";
import { backoff } from "../live/backoff";
import { asFingerprint, fingerprint } from "./fingerprint";
import type { Kept } from "./vault";

type Id = number;

/** From the first unsaved letter to the attempt to save it. */
export const SAVE_AFTER_MS = 500;

/**
 * `waiting`: the service cannot be reached or does not know the contact yet; tried again by itself.
 * `conflict`: somebody else wrote; the person decides. `refused`: the service says no, and trying again is no use.
 */
export type NotesState = "empty" | "unsaved" | "saving" | "saved" | "waiting" | "conflict" | "refused";

export interface NotesService {
  contact(contactId: Id): Promise<Contact>;
  contactOfCall(callId: string): Promise<Contact>;
  saveNotes(contactId: Id, text: string, version: number): Promise<NotesSaved>;
}

export class NotesDraft {
  readonly text = signal("");
  readonly savedAt: Signal<string | null> = signal(null);
  /** What is stored, when that is neither what we have nor what we sent. */
  readonly theirs: Signal<string | null> = signal(null);
  readonly state: ReadonlySignal<NotesState>;
  /** Found again in this browser after a reload or a crash. */
  readonly restored = signal(false);
  /** Why the service refuses them. */
  readonly refusal: Signal<ApiError | null> = signal(null);

  #stored = signal("");
  #phase: Signal<"idle" | "saving" | "waiting" | "refused"> = signal("idle");
  #contactId: Id | null = null;
  #version: number | null = null;
  /** Fingerprints of what was sent without an answer: any of these texts may be what is stored. */
  readonly #unanswered = new Set<string>();
  #running: Promise<void> | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #attempt = 0;
  readonly #unwatch: () => void;

  constructor(
    readonly callId: string,
    private readonly service: NotesService,
    onChange: (draft: NotesDraft) => void = () => {},
  ) {
    this.state = computed(() => {
      if (this.theirs.value !== null) return "conflict";
      const dirty = this.text.value !== this.#stored.value;
      if (!dirty) return this.savedAt.value === null && this.text.value === "" ? "empty" : "saved";
      const phase = this.#phase.value;
      return phase === "idle" ? "unsaved" : phase;
    });
    this.#unwatch = effect(() => {
      // Any of these three makes it another draft to keep, or none.
      void [this.text.value, this.#stored.value, this.theirs.value];
      onChange(this);
    });
  }

  /** What must not be lost; null: the service has it all. */
  kept(): Kept | null {
    if (!this.dirty && this.theirs.peek() === null) return null;
    return { text: this.text.peek(), stored: this.#stored.peek(), unanswered: [...this.#unanswered] };
  }

  /** Typed on a page that is gone. What is here already, or stored, meets it: no word of either is lost. */
  restore(kept: Kept): void {
    this.restored.value = true;
    for (const sent of [...kept.unanswered.map(asFingerprint), fingerprint(kept.stored)]) this.#unanswered.add(sent);
    this.text.value = this.dirty ? together(kept.text, this.text.peek()) : kept.text;
    const stored = this.#stored.peek();
    if (this.#version === null) this.#stored.value = kept.stored;
    else if (!this.#isOurs(stored)) this.theirs.value = stored;
    this.#attempt = 0;
    this.#schedule(0);
  }

  /** The person no longer wants them. */
  abandon(): void {
    this.theirs.value = null;
    this.text.value = this.#stored.peek();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Nothing will be typed here any more. */
  close(): void {
    this.#unwatch();
  }

  get dirty(): boolean {
    return this.text.value !== this.#stored.value;
  }

  get contactId(): Id | null {
    return this.#contactId;
  }

  type(text: string): void {
    this.text.value = text;
    if (this.#phase.value === "refused") this.#phase.value = "idle";
    // From the first unsaved letter, not from the last: who types without a pause is saved, too.
    if (this.dirty && this.#phase.value === "idle" && this.#timer === undefined) this.#schedule(SAVE_AFTER_MS);
  }

  /** The service knows the contact: what is stored there comes first, what was typed meanwhile joins it. */
  bind(contactId: Id): void {
    if (this.#contactId !== null) return;
    this.#contactId = contactId;
    this.#attempt = 0;
    this.#schedule(0);
  }

  /** The service answers again (or again knows who we are). What it refused it would refuse again. */
  retry(): void {
    // Peeked at: whoever calls this when something changed must not be called again by what comes of it.
    if (this.#phase.peek() !== "waiting") return;
    this.#attempt = 0;
    this.#schedule(0);
  }

  /** Saves now. True when all that was typed is committed. */
  async flush(): Promise<boolean> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#running;
    if (this.dirty && this.theirs.value === null) await this.#run();
    return !this.dirty && this.theirs.value === null;
  }

  /** After a conflict: what to keep. */
  resolve(text: string): void {
    this.#stored.value = this.theirs.value ?? this.#stored.value;
    this.theirs.value = null;
    this.text.value = text;
    this.#schedule(0);
  }

  #schedule(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#run(), milliseconds);
  }

  /** One round at a time; a second one waits for the first. */
  async #run(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#running !== null) await this.#running;
    this.#running = this.#round().finally(() => {
      this.#running = null;
    });
    await this.#running;
  }

  async #round(): Promise<void> {
    try {
      if (this.#version === null) await this.#load();
      if (this.theirs.value === null && this.dirty) await this.#save();
      this.#attempt = 0;
      this.#phase.value = "idle";
      if (this.dirty && this.theirs.value === null) this.#schedule(SAVE_AFTER_MS);
    } catch (error) {
      this.#failed(error);
    }
  }

  async #load(): Promise<void> {
    const contact =
      this.#contactId === null
        ? await this.service.contactOfCall(this.callId)
        : await this.service.contact(this.#contactId);
    this.#contactId = contact.contact_id;
    this.#version = contact.notes_version;
    this.savedAt.value = contact.saved_at;
    this.#meet(contact.notes);
  }

  /** Our text meets the stored one. */
  #meet(stored: string): void {
    const ours = this.text.value;
    if (ours === "" && this.#stored.value === "") this.text.value = stored;
    if (stored === this.#stored.value || this.#isOurs(stored)) this.#stored.value = stored;
    else this.theirs.value = stored;
  }

  #isOurs(stored: string): boolean {
    return stored === "" || stored === this.text.value || this.#unanswered.has(fingerprint(stored));
  }

  async #save(): Promise<void> {
    if (this.#contactId === null || this.#version === null) return;
    const text = this.text.value;
    // After a failure it stays said that nothing is saved: each new try may take seconds.
    if (this.#attempt === 0) this.#phase.value = "saving";
    const saved = await this.#send(this.#contactId, text, this.#version);
    this.#version = saved.version;
    this.savedAt.value = saved.saved_at;
    this.#stored.value = text;
    this.#unanswered.clear();
    this.restored.value = false;
    this.refusal.value = null;
  }

  async #send(contactId: Id, text: string, version: number): Promise<NotesSaved> {
    const sent = fingerprint(text);
    const isFirst = !this.#unanswered.has(sent);
    this.#unanswered.add(sent);
    try {
      return await this.service.saveNotes(contactId, text, version);
    } catch (error) {
      if (isFirst && isRefusal(error)) this.#unanswered.delete(sent);
      throw error;
    }
  }

  #failed(error: unknown): void {
    const status = error instanceof ApiError ? error.status : 0;
    const written = status === 409 && error instanceof ApiError && error.id !== "case-discarded";
    // Taken again once their second step is set up: nothing is wrong with the notes.
    const later = error instanceof ApiError && error.id === "second-step-missing";
    const refused = !later && ([403, 409, 413, 422].includes(status) || (status === 404 && this.#version !== null));
    if (written) {
      // Somebody wrote, or our own answer was lost on its way back: what is stored tells which.
      this.#version = null;
      this.#schedule(this.#attempt === 0 ? 0 : backoff(this.#attempt));
      this.#attempt += 1;
      return;
    }
    this.#phase.value = refused ? "refused" : "waiting";
    this.refusal.value = refused && error instanceof ApiError ? error : null;
    if (refused) return;
    if (!this.dirty && this.#contactId === null) return;
    this.#schedule(backoff(this.#attempt));
    this.#attempt += 1;
  }
}

/** An answer that says that nothing was stored. Not 409: browsers send once more what a lost connection took along. */
function isRefusal(error: unknown): boolean {
  return error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 409;
}

/** Two texts for one call: the one that holds the other, else both. */
function together(first: string, second: string): string {
  if (first.includes(second)) return first;
  return second.includes(first) ? second : `${first}\n\n${second}`;
}
