/** The one place that speaks HTTP with the service. */

const BASE = "/api/v1";
const DEADLINE_MS = 10_000;

/** `unreachable`: nobody answered, or a proxy answered for a service that is down. */
export class ApiError extends Error {
  constructor(
    readonly id: string,
    readonly status: number,
    message: string,
    readonly field: string | null = null,
  ) {
    super(message);
    this.name = "ApiError";
  }

  get unreachable(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 504;
  }
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

let onUnauthenticated: () => void = () => {};

/** Called whenever the service no longer knows the session. */
export function whenUnauthenticated(callback: () => void): void {
  onUnauthenticated = callback;
}

export async function request<T>(method: Method, path: string, body?: unknown): Promise<T> {
  const response = await send(method, path, body);
  if (response.ok) return (await readJson(response)) as T;
  const error = refusal(response.status, await readJson(response));
  if (response.status === 401 && path !== "/session") onUnauthenticated();
  throw error;
}

async function send(method: Method, path: string, body: unknown): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
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

/** Reads `{"error": {"id", "message", "field"?}}`; anything else still becomes an error with a name. */
export function refusal(status: number, body: unknown): ApiError {
  const error = isRecord(body) && isRecord(body["error"]) ? body["error"] : {};
  const text = (key: string): string | null => (typeof error[key] === "string" ? error[key] : null);
  return new ApiError(text("id") ?? `http-${status}`, status, text("message") ?? "", text("field"));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
