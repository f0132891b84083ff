import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ApiError } from "../src/api/http";
import type { Contact, ContactView, NotesSaved } from "../src/api/types";
import { NotesDraft, type NotesService, SAVE_AFTER_MS } from "../src/notes/draft";
import { Notebook } from "../src/notes/notebook";

const CALL = "0b8f4a3e-0a52-4a2c-9a54-3c8d1f4a7e11";

/** A service with one contact, in memory, that can be away or lose its answer. */
class FakeService implements NotesService {
  text = "";
  version = 0;
  away = false;
  knowsContact = true;
  loseNextAnswer = false;
  status: number | null = null;
  saves: string[] = [];

  async contact(): Promise<Contact> {
    this.#reach();
    return { ...VIEW, notes: this.text, notes_version: this.version };
  }

  async contactOfCall(): Promise<Contact> {
    this.#reach();
    if (!this.knowsContact) throw new ApiError("contact-unknown", 404, "");
    return this.contact();
  }

  async saveNotes(_id: unknown, text: string, version: number): Promise<NotesSaved> {
    this.#reach();
    if (this.status !== null) throw new ApiError("refused", this.status, "");
    if (version !== this.version) throw new ApiError("notes-changed-elsewhere", 409, "");
    this.text = text;
    this.version += 1;
    this.saves.push(text);
    if (this.loseNextAnswer) {
      this.loseNextAnswer = false;
      throw new ApiError("service-unreachable", 0, "");
    }
    return { version: this.version, saved_at: "2026-11-21T14:02:00Z" };
  }

  #reach(): void {
    if (this.away) throw new ApiError("service-unreachable", 0, "");
  }
}

const VIEW: ContactView = {
  contact_id: 7,
  call_id: CALL,
  case_id: 9,
  case_reference: null,
  case_status: "draft",
  notes_version: 0,
  saved_at: null,
  started_at: "2026-11-21T14:00:00Z",
  ended_at: null,
  listener_name: "Camille",
  known_hidden: false,
  call_live: true,
};

let service: FakeService;
let draft: NotesDraft;

beforeEach(() => {
  vi.useFakeTimers();
  service = new FakeService();
  draft = new NotesDraft(CALL, service);
});

afterEach(() => {
  vi.useRealTimers();
});

const time = (milliseconds: number): Promise<unknown> => vi.advanceTimersByTimeAsync(milliseconds);

describe("notes", () => {
  test("stay said to be unsaved while the service tries for seconds, until they are saved", async () => {
    draft.bind(7);
    await vi.advanceTimersByTimeAsync(0);
    service.status = 503;
    draft.type("Elle rappelle.");
    await vi.advanceTimersByTimeAsync(SAVE_AFTER_MS);
    expect(draft.state.value).toBe("waiting");
    service.status = null;
    const save = service.saveNotes.bind(service);
    service.saveNotes = async (...sent) => {
      await new Promise((done) => setTimeout(done, 5_000));
      return save(...sent);
    };
    const seen = new Set<string>();
    for (let second = 0; second < 30 && service.saves.length === 0; second += 1) {
      await vi.advanceTimersByTimeAsync(500);
      if (service.saves.length === 0) seen.add(draft.state.value);
    }
    expect([...seen]).toEqual(["waiting"]);
    await vi.advanceTimersByTimeAsync(0);
    expect(draft.state.value).toBe("saved");
  });

  test("are saved within a second of the first letter, however long the person types", async () => {
    draft.bind(7);
    await time(0);
    for (let i = 1; i <= 20; i += 1) {
      draft.type("a".repeat(i));
      await time(100);
    }
    expect(SAVE_AFTER_MS).toBeLessThanOrEqual(1000);
    expect(service.saves.length).toBeGreaterThanOrEqual(3);
  });

  test("are called saved only once the service committed them", async () => {
    draft.bind(7);
    await time(0);
    expect(draft.state.value).toBe("empty");
    draft.type("Bonjour");
    expect(draft.state.value).toBe("unsaved");
    await time(SAVE_AFTER_MS);
    expect(draft.state.value).toBe("saved");
    expect(service.text).toBe("Bonjour");
  });

  test("typed while a save is on its way are saved after it", async () => {
    draft.bind(7);
    await time(0);
    draft.type("un");
    await time(SAVE_AFTER_MS);
    draft.type("un deux");
    expect(draft.state.value).toBe("unsaved");
    await time(SAVE_AFTER_MS);
    expect(service.text).toBe("un deux");
  });

  test("wait for the service and follow by themselves", async () => {
    draft.bind(7);
    await time(0);
    service.away = true;
    draft.type("gardé");
    await time(SAVE_AFTER_MS);
    expect(draft.state.value).toBe("waiting");
    await time(60_000);
    expect(draft.state.value).toBe("waiting");
    service.away = false;
    await time(12_000);
    expect(draft.state.value).toBe("saved");
    expect(service.text).toBe("gardé");
  });

  test("follow at once when the feed says that the service is back", async () => {
    draft.bind(7);
    await time(0);
    service.away = true;
    draft.type("gardé");
    await time(30_000);
    service.away = false;
    draft.retry();
    await time(0);
    expect(service.text).toBe("gardé");
  });

  test("typed before the contact exists find it later, without being told", async () => {
    service.away = true;
    draft.type("pendant la panne");
    await time(10_000);
    service.away = false;
    service.knowsContact = false;
    await time(20_000);
    expect(draft.state.value).toBe("waiting");
    service.knowsContact = true;
    await time(12_000);
    expect(draft.state.value).toBe("saved");
    expect(service.text).toBe("pendant la panne");
  });

  test("whose answer was lost are not taken for somebody else's", async () => {
    draft.bind(7);
    await time(0);
    service.loseNextAnswer = true;
    draft.type("une fois");
    await time(SAVE_AFTER_MS);
    draft.type("une fois, puis plus");
    await time(15_000);
    expect(draft.theirs.value).toBeNull();
    expect(service.text).toBe("une fois, puis plus");
  });

  test("take no more room for every try of a service that stays away", async () => {
    draft.bind(7);
    await time(0);
    service.status = 503;
    for (let tries = 0; tries < 40; tries += 1) {
      draft.type(`${"une longue note ".repeat(60)} ${tries}`);
      await draft.flush();
    }
    expect(JSON.stringify(draft.kept()?.unanswered).length).toBeLessThan(40 * 40);
  });

  test("that the service answered not to take are not held for what may be stored", async () => {
    draft.bind(7);
    await time(0);
    service.status = 401;
    draft.type("sans connexion");
    await draft.flush();
    expect(draft.kept()?.unanswered).toEqual([]);
  });

  test("that an older page left with the texts that it had sent know their own answer again", async () => {
    service.text = "une fois";
    service.version = 1;
    draft.restore({ text: "une fois, puis plus", stored: "", unanswered: ["une fois"] });
    expect(draft.kept()?.unanswered.join()).not.toContain("une fois");
    draft.bind(7);
    await time(SAVE_AFTER_MS);
    expect(draft.theirs.value).toBeNull();
    expect(service.text).toBe("une fois, puis plus");
  });

  test("come back after a reload of the page", async () => {
    service.text = "déjà écrit";
    service.version = 3;
    draft.bind(7);
    await time(0);
    expect(draft.text.value).toBe("déjà écrit");
    draft.type("déjà écrit, et la suite");
    await time(SAVE_AFTER_MS);
    expect(service.text).toBe("déjà écrit, et la suite");
  });

  test("written elsewhere meanwhile are shown, and nothing is overwritten", async () => {
    draft.bind(7);
    await time(0);
    service.text = "par quelqu'un d'autre";
    service.version = 5;
    draft.type("le mien");
    await time(5_000);
    expect(draft.state.value).toBe("conflict");
    expect(service.text).toBe("par quelqu'un d'autre");
    draft.resolve(`${draft.theirs.value}\n\n${draft.text.value}`);
    await time(SAVE_AFTER_MS);
    expect(service.text).toBe("par quelqu'un d'autre\n\nle mien");
    expect(draft.state.value).toBe("saved");
  });

  test("that the service refuses are said to be refused, not tried for ever", async () => {
    draft.bind(7);
    await time(0);
    service.status = 422;
    draft.type("x");
    await time(SAVE_AFTER_MS);
    expect(draft.state.value).toBe("refused");
    service.status = null;
    draft.type("y");
    await time(SAVE_AFTER_MS);
    expect(draft.state.value).toBe("saved");
  });

  test("are flushed before writing-up ends, which says whether it worked", async () => {
    draft.bind(7);
    await time(0);
    draft.type("dernier mot");
    expect(await draft.flush()).toBe(true);
    expect(service.text).toBe("dernier mot");
    service.away = true;
    draft.type("trop tard");
    expect(await draft.flush()).toBe(false);
    expect(draft.text.value).toBe("trop tard");
  });
});

describe("the notebook", () => {
  test("keeps the notes of an earlier call until they are saved", async () => {
    const notebook = new Notebook(service);
    service.away = true;
    notebook.of(CALL).type("pas encore");
    await time(SAVE_AFTER_MS);
    notebook.of("f3a1c1de-1111-4222-8333-444455556666");
    expect(notebook.unsaved.value.map((unsaved) => unsaved.callId)).toEqual([CALL]);
    service.away = false;
    notebook.meet(VIEW);
    await time(0);
    expect(notebook.unsaved.value).toEqual([]);
    notebook.of("0aa1c1de-1111-4222-8333-444455556666");
    expect(notebook.drafts.value.map((kept) => kept.callId)).not.toContain(CALL);
  });

  describe("before the person goes on from writing", () => {
    const here = (): boolean => true;
    const gone = (): boolean => false;

    test("saves the last words first", async () => {
      const notebook = new Notebook(service);
      notebook.of(CALL).type("derniers mots");
      expect(await notebook.settle(CALL, here, false)).toBe(true);
      expect(service.text).toBe("derniers mots");
      expect(await notebook.settle(null, here, false)).toBe(true);
    });

    test("says no when they are refused, and keeps them; who was told decides", async () => {
      const notebook = new Notebook(service);
      service.status = 404;
      notebook.of(CALL).type("derniers mots");
      expect(await notebook.settle(CALL, here, false)).toBe(false);
      expect(await notebook.settle(CALL, here, true)).toBe(true);
      expect(notebook.unsaved.value.map((kept) => kept.text.value)).toEqual(["derniers mots"]);
    });

    test("holds no listener back while the service is away: the notes wait on the page", async () => {
      const notebook = new Notebook(service);
      service.away = true;
      notebook.of(CALL).type("derniers mots");
      expect(await notebook.settle(CALL, gone, false)).toBe(true);
      expect(notebook.unsaved.value).toHaveLength(1);
    });
  });
});
