import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ApiError } from "../src/api/http";
import { Notebook } from "../src/notes/notebook";
import { newHalf, open, seal, sealingKey } from "../src/notes/sealed";
import { KEEP_AFTER_MS, type Keeping, Vault } from "../src/notes/vault";
import { CALL, FakeBrowser, FakeService, OTHER_CALL } from "./fakes";

const CAMILLE = 7;
const DOMINIQUE = 8;
const DAY = 86_400_000;

const secretOf = (account: number): Keeping => ({
  secret: btoa(String.fromCharCode(...new Array<number>(32).fill(account))),
  keep_days: 30,
});

let browser: FakeBrowser;
let service: FakeService;
let now: number;
let pages: { notebook: Notebook; vault: Vault; kill: () => void }[];

/** A page of `account`, opened in the browser. */
async function page(account = CAMILLE, keeping: Keeping | null = secretOf(account)) {
  const self = {};
  const vault = new Vault(
    async () => browser.seenBy(self, browser.shelf),
    browser.locksOf(self),
    () => now,
  );
  const notebook = new Notebook(browser.seenBy(self, service), vault);
  const ask = async (): Promise<Keeping> => {
    if (keeping === null) throw new ApiError("service-unreachable", 0, "");
    return keeping;
  };
  await vault.open(account, ask, (callId, kept) => notebook.restore(callId, kept));
  const opened = { notebook, vault, kill: () => browser.kill(self) };
  pages.push(opened);
  return opened;
}

/** Until a condition holds; no fixed waiting. */
async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 3_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const kept = (): number => browser.entries.size;

beforeEach(() => {
  browser = new FakeBrowser();
  service = new FakeService();
  now = Date.UTC(2026, 10, 21);
  pages = [];
});

afterEach(() => {
  for (const opened of pages) for (const draft of opened.notebook.drafts.peek()) draft.abandon();
});

describe("what was typed and is not saved", () => {
  test("is kept in the browser soon after the keystroke, many keystrokes in few writings", async () => {
    service.away = true;
    const { notebook, vault } = await page();
    const began = performance.now();
    for (let letters = 1; letters <= 100; letters += 1) {
      notebook.of(CALL).type("a".repeat(letters));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const rounds = (performance.now() - began) / KEEP_AFTER_MS;
    await until(() => kept() === 1);
    expect(browser.puts).toBeLessThanOrEqual(rounds + 2);
    expect(rounds + 2).toBeLessThan(100);
    expect(KEEP_AFTER_MS).toBeLessThanOrEqual(100);
    expect(vault.where.value).toBe("browser");
  });

  test("comes back on the next page after a crash, and is saved then", async () => {
    service.away = true;
    const before = await page();
    before.notebook.of(CALL).type("elle ne sort plus depuis mars");
    await until(() => kept() === 1);
    before.kill();
    const after = await page();
    expect(after.notebook.of(CALL).text.value).toBe("elle ne sort plus depuis mars");
    expect(after.notebook.of(CALL).restored.value).toBe(true);
    service.away = false;
    after.notebook.retry();
    await until(() => service.stored.get(CALL)?.text === "elle ne sort plus depuis mars");
    await until(() => kept() === 0);
    expect(after.notebook.of(CALL).restored.value).toBe(false);
  });

  test("goes once the service committed exactly that text, and not before", async () => {
    const { notebook, vault } = await page();
    const draft = notebook.of(CALL);
    draft.type("un");
    await until(() => kept() === 1);
    await draft.flush();
    draft.type("un deux");
    await vault.flush();
    expect(service.stored.get(CALL)?.text).toBe("un");
    expect(kept()).toBe(1);
    await draft.flush();
    await until(() => kept() === 0);
  });

  test("is typed while the vault is still closed, and kept once it opens", async () => {
    service.away = true;
    const { notebook, vault } = await page(CAMILLE, null);
    expect(vault.where.value).toBe("unknown");
    notebook.of(CALL).type("avant");
    await vault.flush();
    expect(kept()).toBe(0);
    await vault.open(
      CAMILLE,
      async () => secretOf(CAMILLE),
      () => {},
    );
    await until(() => kept() === 1);
  });

  test("that the browser refuses to keep is said at once, and tried again with the next letter", async () => {
    service.away = true;
    const { notebook, vault } = await page();
    browser.refuses = true;
    notebook.of(CALL).type("a");
    await until(() => vault.where.value === "page");
    expect(notebook.of(CALL).text.value).toBe("a");
    browser.refuses = false;
    notebook.of(CALL).type("ab");
    await until(() => vault.where.value === "browser" && kept() === 1);
  });

  test("is not called kept because what is typed for another call is: the dead page's copy stays", async () => {
    service.away = true;
    const before = await page();
    const long = "long ".repeat(400);
    before.notebook.of(CALL).type(long);
    await until(() => kept() === 1);
    before.kill();
    browser.roomFor = 500;
    const after = await page(CAMILLE, null);
    await after.vault.open(
      CAMILLE,
      async () => secretOf(CAMILLE),
      (callId, found) => {
        after.notebook.restore(callId, found);
        after.notebook.of(OTHER_CALL).type("un mot, au même instant");
      },
    );
    expect([...browser.entries.values()].map((entry) => entry.call).sort()).toEqual([CALL, OTHER_CALL]);
    expect(after.vault.where.value).toBe("page");
    after.kill();
    browser.roomFor = Number.POSITIVE_INFINITY;
    expect((await page()).notebook.of(CALL).text.value).toBe(long);
  });

  test("stays on the page where the browser has no storage at all", async () => {
    const refusing = new Vault(
      () => Promise.reject(new DOMException("private", "InvalidStateError")),
      browser.locksOf({}),
    );
    await refusing.open(
      CAMILLE,
      async () => secretOf(CAMILLE),
      () => {},
    );
    expect(refusing.where.value).toBe("page");
  });
});

describe("what comes back meets what is stored", () => {
  async function crashed(text: string): Promise<void> {
    const before = await page();
    await before.notebook.of(CALL).flush();
    service.away = true;
    before.notebook.of(CALL).type(text);
    await until(() => kept() === 1);
    before.kill();
    service.away = false;
  }

  test("as the same person's going on writing, when nobody wrote meanwhile", async () => {
    service.stored.set(CALL, { text: "début", version: 3 });
    const before = await page();
    before.notebook.of(CALL).bind(1);
    await until(() => before.notebook.of(CALL).text.value === "début");
    service.away = true;
    before.notebook.of(CALL).type("début, et la suite");
    await until(() => kept() === 1);
    before.kill();
    service.away = false;
    const after = await page();
    await until(() => service.stored.get(CALL)?.text === "début, et la suite");
    expect(after.notebook.of(CALL).theirs.value).toBeNull();
  });

  test("side by side, when somebody else wrote meanwhile; nothing is overwritten, and both are kept", async () => {
    await crashed("le mien");
    service.stored.set(CALL, { text: "celui d'un autre", version: 4 });
    const { notebook } = await page();
    await until(() => notebook.of(CALL).state.value === "conflict");
    expect(notebook.of(CALL).text.value).toBe("le mien");
    expect(notebook.of(CALL).theirs.value).toBe("celui d'un autre");
    expect(service.stored.get(CALL)?.text).toBe("celui d'un autre");
    expect(kept()).toBe(1);
  });

  test("side by side as well on a page that had loaded the stored text before the browser's came", async () => {
    await crashed("le mien");
    service.stored.set(CALL, { text: "celui d'un autre", version: 4 });
    const { notebook, vault } = await page(CAMILLE, null);
    notebook.of(CALL).bind(1);
    await until(() => notebook.of(CALL).text.value === "celui d'un autre");
    await vault.open(
      CAMILLE,
      async () => secretOf(CAMILLE),
      (callId, found) => notebook.restore(callId, found),
    );
    expect(notebook.of(CALL).theirs.value).toBe("celui d'un autre");
    expect(notebook.of(CALL).text.value).toBe("le mien");
  });

  test("as saved, when the save got through and only its answer was lost", async () => {
    await crashed("tout est là");
    service.stored.set(CALL, { text: "tout est là", version: 1 });
    const { notebook } = await page();
    await until(() => kept() === 0);
    expect(notebook.of(CALL).theirs.value).toBeNull();
    expect(service.stored.get(CALL)?.version).toBe(1);
  });

  test("as their own, when a save got through, its answer was lost, and they had typed on", async () => {
    const before = await page();
    const draft = before.notebook.of(CALL);
    draft.type("un");
    service.loseNextAnswer = true;
    await draft.flush();
    expect(service.stored.get(CALL)?.text).toBe("un");
    draft.type("un deux");
    await before.vault.flush();
    before.kill();
    service.loseNextAnswer = false;
    service.away = false;
    const after = await page();
    await until(() => service.stored.get(CALL)?.text === "un deux");
    expect(after.notebook.of(CALL).theirs.value).toBeNull();
  });

  test("with what was typed since on the new page: no word of either is lost", async () => {
    await crashed("avant la panne");
    service.away = true;
    const { notebook, vault } = await page(CAMILLE, null);
    notebook.of(CALL).type("après la panne");
    await vault.open(
      CAMILLE,
      async () => secretOf(CAMILLE),
      (callId, found) => notebook.restore(callId, found),
    );
    expect(notebook.of(CALL).text.value).toBe("avant la panne\n\naprès la panne");
  });
});

describe("two tabs", () => {
  test("never overwrite each other's words, and a third takes both over once", async () => {
    service.away = true;
    const [first, second] = [await page(), await page()];
    first.notebook.of(CALL).type("dans le premier");
    second.notebook.of(CALL).type("dans le second");
    await until(() => kept() === 2);
    first.kill();
    second.kill();
    const third = await page();
    const text = third.notebook.of(CALL).text.value;
    expect(text).toContain("dans le premier");
    expect(text).toContain("dans le second");
    await until(() => kept() === 1);
  });

  test("opened at the same time after a crash do not both restore", async () => {
    service.away = true;
    const before = await page();
    before.notebook.of(CALL).type("une seule fois");
    await before.vault.flush();
    before.kill();
    let read = (): void => {};
    browser.reading = new Promise((resolve) => {
      read = resolve;
    });
    const slow = page();
    await new Promise((resolve) => setTimeout(resolve, 20));
    browser.reading = Promise.resolve();
    const quick = await page();
    expect(quick.notebook.of(CALL).text.value).toBe("une seule fois");
    read();
    expect((await slow).notebook.drafts.value).toEqual([]);
    expect(kept()).toBe(1);
  });

  test("leave a living tab's draft alone, and take it over when that tab dies", async () => {
    service.away = true;
    const first = await page();
    first.notebook.of(CALL).type("encore en cours");
    await until(() => kept() === 1);
    const second = await page();
    expect(second.notebook.of(CALL).text.value).toBe("");
    first.kill();
    await until(() => second.notebook.of(CALL).text.value === "encore en cours");
  });
});

describe("another person at the same browser", () => {
  async function leftByCamille(): Promise<void> {
    service.away = true;
    const before = await page(CAMILLE);
    before.notebook.of(CALL).type("confié à Camille");
    await until(() => kept() === 1);
    before.kill();
  }

  test("sees nothing of it; it waits for its owner", async () => {
    await leftByCamille();
    const other = await page(DOMINIQUE);
    expect(other.notebook.drafts.value).toEqual([]);
    expect(kept()).toBe(1);
    const owner = await page(CAMILLE);
    expect(owner.notebook.of(CALL).text.value).toBe("confié à Camille");
  });

  test("could not open it with their own half, nor with the entry put under their name", async () => {
    await leftByCamille();
    const [entry] = [...browser.entries.values()];
    const half = browser.halves.get(CAMILLE);
    if (entry === undefined || half === undefined) throw new Error("nothing was kept");
    const theirs = await sealingKey(half, secretOf(DOMINIQUE).secret, CAMILLE);
    const context = `ecoute draft, account ${CAMILLE}, call ${CALL}`;
    expect(await open(theirs, entry.sealed, context)).toBeNull();
    const own = await sealingKey(half, secretOf(CAMILLE).secret, CAMILLE);
    expect(await open(own, entry.sealed, context)).toMatchObject({ text: "confié à Camille" });
    expect(await open(own, entry.sealed, context.replace(CALL, OTHER_CALL))).toBeNull();
    expect(await open(own, entry.sealed, context.replace(`${CAMILLE}`, `${DOMINIQUE}`))).toBeNull();
  });

  test("after the days of the setting erases it unseen, and its owner is told until they understood", async () => {
    await leftByCamille();
    now += 31 * DAY;
    const other = await page(DOMINIQUE);
    expect(kept()).toBe(0);
    expect(other.vault.expired.value).toBe(0);
    const owner = await page(CAMILLE);
    expect(owner.notebook.drafts.value).toEqual([]);
    expect(owner.vault.expired.value).toBe(1);
    await owner.vault.understood();
    expect((await page(CAMILLE)).vault.expired.value).toBe(0);
  });

  test("before those days it is not erased", async () => {
    await leftByCamille();
    now += 29 * DAY;
    await page(DOMINIQUE);
    expect(kept()).toBe(1);
  });
});

describe("the key", () => {
  test("cannot be taken out of the browser, neither the half that is kept nor the whole", async () => {
    const half = await newHalf();
    const whole = await sealingKey(half, secretOf(CAMILLE).secret, CAMILLE);
    for (const one of [half, whole]) {
      expect(one.extractable).toBe(false);
      await expect(crypto.subtle.exportKey("raw", one)).rejects.toThrow();
    }
  });

  test("never gives the same writing twice, and the text is not in it", async () => {
    const whole = await sealingKey(await newHalf(), secretOf(CAMILLE).secret, CAMILLE);
    const [one, two] = [await seal(whole, "secret", "c"), await seal(whole, "secret", "c")];
    expect(Buffer.from(one.text)).not.toEqual(Buffer.from(two.text));
    expect(Buffer.from(one.text).includes("secret")).toBe(false);
    const bent = new Uint8Array(one.text.slice(0));
    bent[0] = (bent[0] ?? 0) ^ 1;
    expect(await open(whole, { nonce: one.nonce, text: bent.buffer }, "c")).toBeNull();
  });
});

describe("text that the service will never take", () => {
  test("is erased by its owner alone, and from the browser as well", async () => {
    const { notebook } = await page();
    service.status = 422;
    notebook.of(CALL).type("refusé");
    await until(() => notebook.of(CALL).state.value === "refused" && kept() === 1);
    notebook.of(CALL).abandon();
    await until(() => kept() === 0);
    expect(notebook.unsaved.value).toEqual([]);
  });
});
