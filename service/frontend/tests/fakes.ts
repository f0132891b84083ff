/** A browser with pages that can be killed, and a service that can be away: for what is kept between the two. */

import { ApiError } from "../src/api/http";
import type { Contact, NotesSaved } from "../src/api/types";
import type { NotesService } from "../src/notes/draft";
import type { Entry, Place, Shelf } from "../src/notes/shelf";

export const CALL = "0b8f4a3e-0a52-4a2c-9a54-3c8d1f4a7e11";
export const OTHER_CALL = "f3a1c1de-1111-4222-8333-444455556666";

/** A browser: one shelf and one lock manager for all its pages, each of which can be killed. */
export class FakeBrowser {
  readonly entries = new Map<string, Entry>();
  readonly halves = new Map<number, CryptoKey>();
  readonly expiredOf = new Map<number, number>();
  refuses = false;
  /** Sealed bytes of one entry. */
  roomFor = Number.POSITIVE_INFINITY;
  /** How long a look at the shelf takes; what it found may be old by then. */
  reading: Promise<void> = Promise.resolve();
  puts = 0;

  readonly shelf: Shelf = {
    half: async (account, fresh) => {
      const half = this.halves.get(account) ?? fresh;
      this.halves.set(account, half);
      return half;
    },
    put: async (entry) => {
      if (this.refuses || entry.sealed.text.byteLength > this.roomFor)
        throw new DOMException("full", "QuotaExceededError");
      this.puts += 1;
      this.entries.set(key(entry), structuredClone(entry));
    },
    remove: async ([account, call, writer]) => {
      this.entries.delete(key({ account, call, writer }));
    },
    entriesOf: async (account) => {
      const found = [...this.entries.values()].filter((entry) => entry.account === account);
      await this.reading;
      return found;
    },
    entry: async ([account, call, writer]) => this.entries.get(key({ account, call, writer })) ?? null,
    expire: async (before) => {
      for (const entry of this.entries.values()) {
        if (entry.at >= before) continue;
        this.entries.delete(key(entry));
        this.expiredOf.set(entry.account, (this.expiredOf.get(entry.account) ?? 0) + 1);
      }
    },
    expired: async (account) => this.expiredOf.get(account) ?? 0,
    forgetExpired: async (account) => {
      this.expiredOf.delete(account);
    },
  };

  #held = new Map<string, { page: object; queue: { page: object; free: () => void }[] }>();
  #dead = new Set<object>();

  /** Web Locks, as far as the vault uses them, for one page. A dead page holds none and waits for none. */
  locksOf(page: object): LockManager {
    const grant = async (name: string, work: (lock: unknown) => unknown): Promise<unknown> => {
      this.#held.set(name, { page, queue: this.#held.get(name)?.queue ?? [] });
      const result = await work({ name });
      if (!this.#dead.has(page)) this.#release(name);
      return result;
    };
    const request = async (name: string, ...more: unknown[]): Promise<unknown> => {
      if (this.#dead.has(page)) return new Promise(() => {});
      const work = more.at(-1) as (lock: unknown) => unknown;
      const options = (more.length > 1 ? more[0] : {}) as LockOptions;
      const holder = this.#held.get(name);
      if (holder === undefined) return grant(name, work);
      if (options.ifAvailable === true) return work(null);
      await new Promise<void>((free) => holder.queue.push({ page, free }));
      return grant(name, work);
    };
    return { request, query: async () => ({}) } as unknown as LockManager;
  }

  /** What a page has of something outside it: nothing any more, once it is dead. */
  seenBy<T extends object>(page: object, outside: T): T {
    return new Proxy(outside, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        return (...given: unknown[]): unknown =>
          this.#dead.has(page) ? new Promise(() => {}) : member.apply(target, given);
      },
    });
  }

  kill(page: object): void {
    this.#dead.add(page);
    for (const [name, holder] of [...this.#held]) if (holder.page === page) this.#release(name);
  }

  #release(name: string): void {
    const queue = this.#held.get(name)?.queue ?? [];
    const next = queue.findIndex((waiting) => !this.#dead.has(waiting.page));
    const [first] = next < 0 ? [] : queue.splice(next, 1);
    if (first === undefined) this.#held.delete(name);
    else first.free();
  }
}

const key = ({ account, call, writer }: { account: number; call: string; writer: string }): string =>
  JSON.stringify([account, call, writer] satisfies Place);

/** A service with one contact per call, that can be away. */
export class FakeService implements NotesService {
  readonly stored = new Map<string, { text: string; version: number }>();
  away = false;
  loseNextAnswer = false;
  status: number | null = null;

  async contact(): Promise<Contact> {
    return this.contactOfCall(CALL);
  }

  async contactOfCall(callId: string): Promise<Contact> {
    this.#reach();
    const { text, version } = this.stored.get(callId) ?? { text: "", version: 0 };
    return { contact_id: callId === CALL ? 1 : 2, notes: text, notes_version: version, saved_at: null } as Contact;
  }

  async saveNotes(id: unknown, text: string, version: number): Promise<NotesSaved> {
    this.#reach();
    if (this.status !== null) throw new ApiError("refused", this.status, "");
    const call = id === 1 ? CALL : OTHER_CALL;
    if (version !== (this.stored.get(call)?.version ?? 0)) throw new ApiError("notes-changed-elsewhere", 409, "");
    this.stored.set(call, { text, version: version + 1 });
    if (this.loseNextAnswer) {
      this.away = true;
      this.#reach();
    }
    return { version: version + 1, saved_at: "2026-11-21T14:02:00Z" };
  }

  #reach(): void {
    if (this.away) throw new ApiError("service-unreachable", 0, "");
  }
}
