/** The socket of the live feed: connects, watches its own silence, connects again. */

import { backoff } from "./backoff";
import { parse } from "./protocol";
import type { LiveStore } from "./store";

/** The service sends a tick at least every two seconds. */
const SILENCE_MS = 7_000;
const WATCH_MS = 1_000;

export class LiveClient {
  #socket: WebSocket | null = null;
  #attempt = 0;
  #lastHeard = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #watch: ReturnType<typeof setInterval> | undefined;
  #wanted = false;

  constructor(
    private readonly store: LiveStore,
    private readonly onRefused: () => void,
    private readonly isOurs: (accountId: number) => boolean,
  ) {}

  start(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#attempt = 0;
    this.#watch = setInterval(() => this.#check(), WATCH_MS);
    window.addEventListener("online", this.#now);
    this.#connect();
  }

  stop(): void {
    this.#wanted = false;
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    window.removeEventListener("online", this.#now);
    this.#drop();
    this.store.forget();
  }

  readonly #now = (): void => {
    if (this.#socket !== null) return;
    clearTimeout(this.#timer);
    this.#connect();
  };

  #connect(): void {
    const socket = new WebSocket(`${window.location.origin.replace(/^http/, "ws")}/api/v1/live`);
    this.#socket = socket;
    this.#lastHeard = performance.now();
    socket.onmessage = (event: MessageEvent<unknown>) => {
      if (socket === this.#socket && typeof event.data === "string") this.#hear(event.data);
    };
    socket.onclose = (event) => {
      if (socket !== this.#socket) return;
      this.#socket = null;
      // A refused handshake carries no reason that a page may read: ask whether the session still holds.
      if (event.code === 1006 || event.code === 1008 || event.code >= 4000) this.onRefused();
      this.#again();
    };
  }

  #hear(text: string): void {
    this.#lastHeard = performance.now();
    const message = parse(text);
    if (message === null) return;
    if (message.type === "snapshot" && !this.isOurs(message.account_id)) {
      // The cookie is another person's now: nothing of theirs is shown here.
      this.stop();
      return;
    }
    if (this.store.take(message, this.#lastHeard)) {
      if (message.type === "snapshot") this.#attempt = 0;
      return;
    }
    this.#drop();
    this.#again();
  }

  #check(): void {
    const silence = performance.now() - this.#lastHeard;
    if (this.#socket !== null && silence > SILENCE_MS) {
      this.#drop();
      this.#again();
    }
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #again(): void {
    this.store.disconnected();
    if (!this.#wanted) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), backoff(this.#attempt));
    this.#attempt += 1;
  }
}
