import { describe, expect, test } from "vitest";
import { trouble } from "../src/account/trouble";
import { refusal } from "../src/api/http";
import { fr } from "../src/i18n/fr";
import { notSaved } from "../src/listener/notSaved";
import { signOutAfter } from "../src/shell/signOutAfter";
import { refused } from "../src/signin/refused";

describe("signing in", () => {
  test.each([
    [403, "origin-refused", fr.signIn.wrongAddress],
    [401, "wrong-credentials", fr.signIn.wrong],
    [422, "unfit", fr.signIn.wrong],
    [429, "too-many", fr.signIn.tooMany(1)],
    [502, "http-502", fr.signIn.unreachable],
    [503, "not-ready", fr.signIn.unreachable],
    [500, "unknown", fr.signIn.failed],
  ])("%i %s is put in words", (status, id, text) => {
    expect(refused(refusal(status, { error: { id } }), fr.signIn)).toBe(text);
  });
});

describe("trying too often", () => {
  const tooOften = (retry_after_seconds: number) =>
    refusal(429, { error: { id: "sign-in-too-often", retry_after_seconds } });
  /** Others filled the address. */
  const here = (retry_after_seconds: number) =>
    refusal(429, { error: { id: "address-too-often", retry_after_seconds } });

  test.each([
    [900, "15 minutes"],
    [61, "2 minutes"],
    [2.5, "une minute"],
  ])("says when again: %d seconds are %s", (seconds, said) => {
    expect(refused(tooOften(seconds), fr.signIn)).toContain(said);
    expect(trouble(tooOften(seconds), fr.account)).toContain(said);
    expect(refused(here(seconds), fr.signIn)).toContain(said);
  });

  test("offers a new password only where one opens", () => {
    expect(refused(tooOften(900), fr.signIn)).toContain("nouveau mot de passe");
    expect(refused(here(900), fr.signIn)).not.toContain("mot de passe");
  });
});

describe("signing out", () => {
  test("comes after the call, then after the notes", () => {
    expect(signOutAfter(true, ["waiting"], true)).toBe("call");
    expect(signOutAfter(false, ["waiting"], true)).toBe("notes");
    expect(signOutAfter(false, [], true)).toBeNull();
  });

  test("does not wait for notes that were refused", () => {
    expect(signOutAfter(false, ["refused"], false)).toBeNull();
    expect(signOutAfter(false, ["refused", "unsaved"], true)).toBe("notes");
  });

  test("does not wait for a choice between two texts that this browser keeps", () => {
    expect(signOutAfter(false, ["conflict"], true)).toBeNull();
    expect(signOutAfter(false, ["conflict"], false)).toBe("notes");
    expect(signOutAfter(false, ["conflict", "waiting"], true)).toBe("notes");
  });
});

describe("going on from writing with notes that are not saved", () => {
  test.each([
    ["conflict", true, fr.wrapUp.notSavedConflict],
    ["conflict", false, fr.wrapUp.notSavedConflictOnPage],
    ["refused", true, fr.wrapUp.notSaved],
    ["waiting", false, fr.wrapUp.notSaved],
    ["saved", true, ""],
  ] as const)("%s is told with what helps; kept in this browser: %s", (state, kept, said) => {
    expect(notSaved(state, kept, fr.wrapUp)).toBe(said);
  });
});

describe("the second step", () => {
  test("a code that does not fit is told as that, not as a wrong password", () => {
    expect(refused(refusal(401, { error: { id: "second-step-refused" } }), fr.signIn)).toBe(fr.signIn.codeWrong);
  });

  test.each([
    [422, "password-wrong", null, fr.account.wrongPassword],
    [422, "code-wrong", "code", fr.account.wrongCode],
    [422, "body-unfit", "code", fr.account.wrongCode],
    [429, "sign-in-too-often", null, fr.account.tooMany(1)],
    [409, "second-step-on", null, fr.account.failed],
  ])("%i %s on one's own account is put in words", (status, id, field, text) => {
    expect(trouble(refusal(status, { error: { id, field } }), fr.account)).toBe(text);
  });
});
