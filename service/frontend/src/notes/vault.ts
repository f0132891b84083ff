/**
 * What was typed and is not saved yet is kept in this browser as well, sealed, so that a reload or a crash loses no
 * word. It is written without ever holding up a keystroke, and goes once the service has committed exactly that text.
 *
 * Each page writes under a name of its own (`writer`) and holds a lock of that name as long as it lives: two tabs never
 * overwrite each other, and what a dead page left is taken over by exactly one that lives.
 */

import { type Signal, signal } from "@preact/signals";
import type { DraftKeeping } from "../api/types";
import { newHalf, open, seal, sealingKey } from "./sealed";
import type { Entry, Shelf } from "./shelf";

/** From a keystroke to the writing; later ones in between go along. */
export const KEEP_AFTER_MS = 60;
const DAY_MS = 86_400_000;
const CHANNEL = "ecoute.drafts";

/**
 * What a page needs to find its draft again. `stored`: what the service last acknowledged; `unanswered`: fingerprints of
 * what was sent since.
 */
export interface Kept {
  readonly text: string;
  readonly stored: string;
  readonly unanswered: readonly string[];
}

/** What the service gives to whoever signed in. `secret`: its half of the key. */
export type Keeping = Pick<DraftKeeping, "secret" | "keep_days">;

/** `page`: this browser keeps nothing, so what is not saved lives as long as the page. */
export type Where = "unknown" | "browser" | "page";

type Snapshot = () => Kept | null;
type Restore = (callId: string, kept: Kept) => void;

export class Vault {
  readonly where: Signal<Where> = signal("unknown");
  /** How many drafts waited here for too long and were erased. */
  readonly expired: Signal<number> = signal(0);

  readonly #writer: string;
  #named = false;
  #account = 0;
  #shelf: Shelf | null = null;
  #key: CryptoKey | null = null;
  #restore: Restore = () => {};
  #opening: Promise<void> | null = null;
  readonly #pending = new Map<string, Snapshot>();
  /** Calls whose draft this browser did not take. */
  readonly #homeless = new Set<string>();
  readonly #watched = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly openShelf: () => Promise<Shelf>,
    private readonly locks: LockManager | undefined = globalThis.navigator?.locks,
    private readonly now: () => number = Date.now,
  ) {
    this.#writer = nameOfPage();
  }

  /** For the account that signed in; once. What dead pages of its left is given to `restore`. */
  open(account: number, ask: () => Promise<Keeping>, restore: Restore): Promise<void> {
    this.#opening ??= this.#open(account, ask, restore).finally(() => {
      if (this.where.peek() !== "browser") this.#opening = null;
    });
    return this.#opening;
  }

  async #open(account: number, ask: () => Promise<Keeping>, restore: Restore): Promise<void> {
    const keeping = await ask().catch(() => null);
    // The service is away: asked again when it is back. Until then nothing can be sealed.
    if (keeping === null) return;
    try {
      // Neither locks nor cryptography without https.
      if (this.locks === undefined || crypto.subtle === undefined) throw new Error("no secure context");
      const shelf = await this.openShelf();
      await shelf.expire(this.now() - keeping.keep_days * DAY_MS);
      this.#key = await sealingKey(await shelf.half(account, await newHalf()), keeping.secret, account);
      this.#account = account;
      this.#restore = restore;
      await this.#holdOwnName();
      this.#shelf = shelf;
      this.where.value = "browser";
      this.expired.value = await shelf.expired(account);
      await this.#adopt();
      await this.flush();
    } catch {
      this.where.value = "page";
    }
  }

  /** The owner read that drafts expired. */
  async understood(): Promise<void> {
    this.expired.value = 0;
    await this.#shelf?.forgetExpired(this.#account);
  }

  /** A draft changed. `snapshot`: what is to be kept of it when it is written; null: nothing any more. */
  changed(callId: string, snapshot: Snapshot): void {
    this.#pending.set(callId, snapshot);
    this.#timer ??= setTimeout(() => void this.flush(), KEEP_AFTER_MS);
  }

  /** Writes what changed; one round after the other. True when all of it is kept. */
  async flush(): Promise<boolean> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#write());
    await this.#writing;
    return this.where.peek() === "browser";
  }

  async #write(): Promise<void> {
    const shelf = this.#shelf;
    const key = this.#key;
    // What is typed meanwhile waits in memory for the first round.
    if (shelf === null || key === null) return;
    for (const [call, snapshot] of [...this.#pending]) {
      this.#pending.delete(call);
      const kept = snapshot();
      const account = this.#account;
      const writer = this.#writer;
      try {
        if (kept === null) await shelf.remove([account, call, writer]);
        else {
          const sealed = await seal(key, kept, context(account, call));
          await shelf.put({ account, call, writer, at: this.now(), sealed });
        }
        this.#homeless.delete(call);
      } catch {
        // Full, or taken away: the next keystroke tries again.
        if (!this.#pending.has(call)) this.#pending.set(call, snapshot);
        if (kept === null) this.#homeless.delete(call);
        else this.#homeless.add(call);
      }
    }
    this.where.value = this.#homeless.size === 0 ? "browser" : "page";
  }

  async #holdOwnName(): Promise<void> {
    if (this.#named) return;
    this.#named = true;
    await new Promise<void>((held) => {
      void this.locks?.request(lockOf(this.#writer), () => {
        held();
        return new Promise(() => {});
      });
    });
    if (typeof BroadcastChannel === "undefined") return;
    const channel = new BroadcastChannel(CHANNEL);
    channel.onmessage = (event: MessageEvent<unknown>) => {
      if (typeof event.data === "string") this.#watch(event.data);
    };
    channel.postMessage(this.#writer);
  }

  /** Takes over what pages left that are gone. Their lock decides which living page does it. */
  async #adopt(): Promise<void> {
    const shelf = this.#shelf;
    if (shelf === null || this.locks === undefined) return;
    const locks = this.locks;
    for (const { account, call, writer } of await shelf.entriesOf(this.#account)) {
      if (writer === this.#writer) continue;
      await locks.request(lockOf(writer), { ifAvailable: true }, async (lock) => {
        if (lock === null) return this.#watch(writer);
        // Read anew: another page may have taken it since.
        const entry = await shelf.entry([account, call, writer]);
        if (entry !== null) await this.#take(shelf, entry);
      });
    }
  }

  /** Another page lives: when it goes, what it left is looked at. */
  #watch(writer: string): void {
    if (writer === this.#writer || this.#watched.has(writer)) return;
    this.#watched.add(writer);
    void this.locks
      ?.request(lockOf(writer), () => {})
      .then(() => {
        this.#watched.delete(writer);
        return this.#adopt();
      });
  }

  async #take(shelf: Shelf, entry: Entry): Promise<void> {
    const key = this.#key;
    if (key === null) return;
    const kept = await open(key, entry.sealed, context(entry.account, entry.call));
    if (!isKept(kept)) return;
    this.#restore(entry.call, kept);
    await this.flush();
    // Not before it lies here under this page's own name.
    if (!this.#homeless.has(entry.call)) await shelf.remove([entry.account, entry.call, entry.writer]);
  }
}

/** Not `randomUUID`: that one is missing without https, and the page shall open there all the same. */
function nameOfPage(): string {
  return [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(36)).join("-");
}

/** What the text is bound to. */
function context(account: number, call: string): string {
  return `ecoute draft, account ${account}, call ${call}`;
}

function lockOf(writer: string): string {
  return `${CHANNEL}.${writer}`;
}

function isKept(value: unknown): value is Kept {
  if (typeof value !== "object" || value === null) return false;
  const kept = value as Partial<Record<keyof Kept, unknown>>;
  return typeof kept.text === "string" && typeof kept.stored === "string" && Array.isArray(kept.unanswered);
}
