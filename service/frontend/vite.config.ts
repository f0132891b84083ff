/** How the pages are built, and where their tests are. */

import { defineConfig } from "vitest/config";

export default defineConfig({
  // JsSIP was written for Node's name of the global object.
  define: { global: "globalThis" },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    // The content security policy allows no data: address and no inline script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: {
    include: ["tests/**/*.test.ts"],
    environment: "node",
  },
});
