// Writes src/api/schema.d.ts from the service's own OpenAPI document; with --check, fails if it would change.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const frontend = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const house = resolve(frontend, "../..");
const python = process.env.PYTHON ?? join(house, ".venv/bin/python");
const folder = mkdtempSync(join(tmpdir(), "openapi-"));
try {
  const document = join(folder, "openapi.json");
  writeFileSync(document, execFileSync(python, ["-m", "service.cli.describe", "openapi"], { cwd: house }));
  const cli = join(frontend, "node_modules/openapi-typescript/bin/cli.js");
  const output = join(frontend, "src/api/schema.d.ts");
  execFileSync(process.execPath, [cli, document, "--output", output, ...process.argv.slice(2)], { stdio: "inherit" });
} finally {
  rmSync(folder, { recursive: true });
}
