import { describe, expect, test } from "vitest";
import { faultSentence } from "../src/api/faults";
import { refusal } from "../src/api/http";
import { en } from "../src/i18n/en";
import { fr } from "../src/i18n/fr";

const answered = (...faults: unknown[]) =>
  refusal(422, { error: { id: "body-unfit", message: "String should have at most 200000 characters.", faults } });

describe("what does not fit", () => {
  test("is said in the reader's language, with its limit, never in the service's words", () => {
    const tooLong = answered({ id: "string-too-long", field: "text", limit: 200_000 });
    expect(faultSentence(tooLong, fr.faults)).toMatch(/trop long : 200\s000 caractères au plus/);
    expect(faultSentence(tooLong, en.faults)).toBe("This text is too long: 200,000 characters at most.");
  });

  test("is said by the first of several faults", () => {
    const several = answered({ id: "missing", field: "department" }, { id: "int-type", field: "version" });
    expect(faultSentence(several, fr.faults)).toBe(fr.faults.missing);
  });

  test.each([
    { id: "of-a-newer-service", field: "x" },
    { id: "of-a-newer-service", field: "x", limit: 3 },
    { id: "string-too-long", field: "x" },
  ])("is still said when the page does not know enough of it: %j", (fault) => {
    expect(faultSentence(answered(fault), fr.faults)).toBe(fr.faults.unfit);
  });

  test("is left to the page where the service names no field", () => {
    expect(faultSentence(refusal(409, { error: { id: "case-decided", message: "…" } }), fr.faults)).toBeNull();
    expect(faultSentence(refusal(502, null), fr.faults)).toBeNull();
    expect(faultSentence(null, fr.faults)).toBeNull();
  });
});
