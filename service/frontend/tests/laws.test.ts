import { describe, expect, test } from "vitest";

const SOURCES = import.meta.glob<string>(["../src/listener/*", "../src/phone/*", "../src/shell/*"], {
  query: "?raw",
  import: "default",
  eager: true,
});

describe("nobody is timed", () => {
  test("there is something to look at", () => {
    expect(Object.keys(SOURCES).length).toBeGreaterThan(15);
  });

  // A clock that runs, an age, a length: nothing of a conversation or of writing-up on a listener's page.
  test.each(Object.entries(SOURCES))("no clock runs in %s", (path, source) => {
    const clocks = path.endsWith("/ring.ts") ? /Date\.now|answered_at/ : /setInterval|Date\.now|answered_at|duration/i;
    expect(source).not.toMatch(clocks);
  });

  test("the page never says goodbye by itself when it is left", () => {
    for (const source of Object.values(SOURCES)) expect(source).not.toMatch(/unload|pagehide|visibilitychange/);
  });
});
