import { describe, expect, test } from "vitest";
import { trouble } from "../src/account/trouble";
import { refusal } from "../src/api/http";
import { fr } from "../src/i18n/fr";
import { signOutAfter } from "../src/shell/signOutAfter";
import { refused } from "../src/signin/refused";

describe("signing in", () => {
  test.each([
    [403, "origin-refused", fr.signIn.wrongAddress],
    [401, "wrong-credentials", fr.signIn.wrong],
    [422, "unfit", fr.signIn.wrong],
    [429, "too-many", fr.signIn.tooMany],
    [502, "http-502", fr.signIn.unreachable],
    [503, "not-ready", fr.signIn.unreachable],
    [500, "unknown", fr.signIn.failed],
  ])("%i %s is put in words", (status, id, text) => {
    expect(refused(refusal(status, { error: { id } }), fr.signIn)).toBe(text);
  });
});

describe("signing out", () => {
  test("comes after the call, then after the notes", () => {
    expect(signOutAfter(true, ["waiting"])).toBe("call");
    expect(signOutAfter(false, ["waiting"])).toBe("notes");
    expect(signOutAfter(false, [])).toBeNull();
  });

  test("does not wait for notes that were refused", () => {
    expect(signOutAfter(false, ["refused"])).toBeNull();
    expect(signOutAfter(false, ["refused", "unsaved"])).toBe("notes");
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
    [429, "sign-in-too-often", null, fr.account.tooMany],
    [409, "second-step-on", null, fr.account.failed],
  ])("%i %s on one's own account is put in words", (status, id, field, text) => {
    expect(trouble(refusal(status, { error: { id, field } }), fr.account)).toBe(text);
  });
});
