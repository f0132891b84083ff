/** Where sealed drafts lie in this browser: IndexedDB. Nothing here can be read without both halves of the key. */

import type { Sealed } from "./sealed";

/** What one page wrote for one call. `writer`: that page; `at`: when, in milliseconds since the epoch. */
export interface Entry {
  readonly account: number;
  readonly call: string;
  readonly writer: string;
  readonly at: number;
  readonly sealed: Sealed;
}

export type Place = readonly [account: number, call: string, writer: string];

export interface Shelf {
  /** This browser's half of an account's key: the one that is kept, else `fresh`, kept from now on. */
  half(account: number, fresh: CryptoKey): Promise<CryptoKey>;
  put(entry: Entry): Promise<void>;
  remove(place: Place): Promise<void>;
  entriesOf(account: number): Promise<Entry[]>;
  entry(place: Place): Promise<Entry | null>;
  /** Whoever's they are: entries written before `before` go, and are counted for their owner. */
  expire(before: number): Promise<void>;
  /** How many drafts of this account expired here since their owner was told. */
  expired(account: number): Promise<number>;
  forgetExpired(account: number): Promise<void>;
}

const NAME = "ecoute-drafts";

export async function openShelf(): Promise<Shelf> {
  const opening = indexedDB.open(NAME, 1);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore("halves");
    opening.result.createObjectStore("entries", { keyPath: ["account", "call", "writer"] });
    opening.result.createObjectStore("expired");
  };
  return new IndexedShelf(await done(opening));
}

class IndexedShelf implements Shelf {
  constructor(private readonly database: IDBDatabase) {
    // A later version of the page may change the stores: never stand in its way.
    database.onversionchange = () => database.close();
  }

  async half(account: number, fresh: CryptoKey): Promise<CryptoKey> {
    return await this.#write(["halves"], async (halves) => {
      const kept: unknown = await done(store(halves, "halves").get(account));
      if (kept instanceof CryptoKey) return kept;
      await done(store(halves, "halves").put(fresh, account));
      return fresh;
    });
  }

  async put(entry: Entry): Promise<void> {
    await this.#write(["entries"], (writing) => done(store(writing, "entries").put(entry)));
  }

  async remove(place: Place): Promise<void> {
    await this.#write(["entries"], (writing) => done(store(writing, "entries").delete([...place])));
  }

  async entriesOf(account: number): Promise<Entry[]> {
    // Arrays sort after all texts: every call of this account.
    const range = IDBKeyRange.bound([account], [account, []]);
    return (await done(store(this.database.transaction("entries"), "entries").getAll(range))) as Entry[];
  }

  async entry(place: Place): Promise<Entry | null> {
    const found: unknown = await done(store(this.database.transaction("entries"), "entries").get([...place]));
    return (found as Entry | undefined) ?? null;
  }

  async expire(before: number): Promise<void> {
    await this.#write(["entries", "expired"], async (writing) => {
      const all = (await done(store(writing, "entries").getAll())) as Entry[];
      for (const { account, call, writer } of all.filter((entry) => entry.at < before)) {
        const counted: unknown = await done(store(writing, "expired").get(account));
        await done(store(writing, "expired").put((typeof counted === "number" ? counted : 0) + 1, account));
        await done(store(writing, "entries").delete([account, call, writer]));
      }
    });
  }

  async expired(account: number): Promise<number> {
    const counted: unknown = await done(store(this.database.transaction("expired"), "expired").get(account));
    return typeof counted === "number" ? counted : 0;
  }

  async forgetExpired(account: number): Promise<void> {
    await this.#write(["expired"], (writing) => done(store(writing, "expired").delete(account)));
  }

  /** `strict`: on the disk, not only handed to the system: a cut of power is a crash, too. */
  async #write<T>(stores: string[], act: (writing: IDBTransaction) => Promise<T>): Promise<T> {
    const writing = this.database.transaction(stores, "readwrite", { durability: "strict" });
    const committed = new Promise<void>((resolve, reject) => {
      writing.oncomplete = () => resolve();
      writing.onabort = () => reject(writing.error ?? new Error("the browser refused to keep this"));
    });
    const [result] = await Promise.all([act(writing), committed]);
    return result;
  }
}

function store(transaction: IDBTransaction, name: string): IDBObjectStore {
  return transaction.objectStore(name);
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
