/** The one place that speaks HTTP with the service. */

import type { Fault } from "./types";

const BASE = "/api/v1";
const DEADLINE_MS = 10_000;

/** `unreachable`: nobody answered, or a proxy answered for a service that is down. */
export class ApiError extends Error {
  constructor(
    readonly id: string,
    readonly status: number,
    message: string,
    readonly field: string | null = null,
    readonly faults: readonly Fault[] = [],
    /** Seconds until it may be asked again. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
    this.name = "ApiError";
  }

  get unreachable(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 504;
  }
}

/** Whole minutes until it may be asked again, one at least. */
export function minutesToWait(error: ApiError): number {
  return Math.max(1, Math.ceil((error.retryAfter ?? 0) / 60));
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

let onUnauthenticated: (errorId: string) => void = () => {};

/** Called whenever the service no longer knows the session, or knows it as another person's. */
export function whenUnauthenticated(callback: (errorId: string) => void): void {
  onUnauthenticated = callback;
}

let onConfined: () => void = () => {};

/** Called when the service says that the session has lost rights: the account was closed, or a second step is asked. */
export function whenConfined(callback: () => void): void {
  onConfined = callback;
}

const CONFINED: readonly string[] = ["account-ended", "second-step-missing"];

/** The page's session, as far as requests are concerned. `account`: in whose name it asks; null: nobody's. */
export interface Asking {
  readonly account: () => number | null;
  /** Before anything is sent that belongs to that person: is it still they whom the browser's cookie names? */
  readonly admitted: () => Promise<boolean>;
}

let asking: Asking = { account: () => null, admitted: () => Promise.resolve(true) };

export function askAs(person: Asking): void {
  asking = person;
}

export async function request<T>(method: Method, path: string, body?: unknown): Promise<T> {
  if (path !== "/session" && !(await asking.admitted())) throw new ApiError("not-signed-in", 401, "");
  const response = await send(method, path, body);
  if (response.ok) return (await readJson(response)) as T;
  const error = refusal(response.status, await readJson(response));
  if (response.status === 401 && path !== "/session") onUnauthenticated(error.id);
  if (response.status === 403 && CONFINED.includes(error.id)) onConfined();
  throw error;
}

async function send(method: Method, path: string, body: unknown): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const account = asking.account();
  // Who is signed in, and signing in, are asked in nobody's name. All else is refused when the cookie names another.
  const inName = path !== "/session" || method === "PATCH" || method === "DELETE";
  if (account !== null && inName) headers["X-Ecoute-Account"] = String(account);
  try {
    return await fetch(BASE + path, {
      method,
      headers,
      credentials: "same-origin",
      cache: "no-store",
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
  } catch {
    throw new ApiError("service-unreachable", 0, "The service does not answer.");
  }
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    return null;
  }
}

/** Reads `{"error": {"id", "message", "field"?, "faults"?, "retry_after_seconds"?}}`; anything else still becomes an error with a name. */
export function refusal(status: number, body: unknown): ApiError {
  const error = isRecord(body) && isRecord(body["error"]) ? body["error"] : {};
  const text = (key: string): string | null => (typeof error[key] === "string" ? error[key] : null);
  const faults = Array.isArray(error["faults"]) ? (error["faults"] as Fault[]) : [];
  const wait = error["retry_after_seconds"];
  const retryAfter = typeof wait === "number" ? wait : null;
  return new ApiError(text("id") ?? `http-${status}`, status, text("message") ?? "", text("field"), faults, retryAfter);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
