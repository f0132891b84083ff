/** What the page knows live, as signals: one map per kind, and how old it is. */

import { computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { AlarmState, ContactView, Kind, Kinds, LineState, MyState, Offer } from "../api/types";
import { apply, type Feed, KINDS, type Message, NOTHING } from "./protocol";

type Maps = { readonly [K in Kind]: Signal<ReadonlyMap<string, Kinds[K]>> };

export class LiveStore {
  readonly maps: Maps = {
    line: signal(new Map()),
    me: signal(new Map()),
    offer: signal(new Map()),
    contact: signal(new Map()),
    call: signal(new Map()),
    listener: signal(new Map()),
    alarm: signal(new Map()),
    notice: signal(new Map()),
  };

  /** A snapshot was taken and the socket is still there. */
  readonly connected = signal(false);
  /** A snapshot was taken since the page was opened: there is something to show, however old. */
  readonly known = signal(false);
  /** The socket was lost, or never came. */
  readonly failing = signal(false);
  /** On this machine's monotonic clock, milliseconds. */
  readonly lastHeard = signal(0);
  /** The service's clock minus this machine's, milliseconds. */
  readonly clockOffset = signal(0);

  readonly lines: ReadonlySignal<LineState[]> = computed(() => [...this.maps.line.value.values()]);
  readonly me: ReadonlySignal<MyState | null> = computed(() => first(this.maps.me.value));
  readonly offer: ReadonlySignal<Offer | null> = computed(() => first(this.maps.offer.value));
  readonly contact: ReadonlySignal<ContactView | null> = computed(() => first(this.maps.contact.value));
  /** The service is there and says that it saves nothing; null: it does, or nothing is known of it. */
  readonly notSaving: ReadonlySignal<AlarmState | null> = computed(() =>
    this.connected.value ? first(this.maps.notice.value) : null,
  );

  #feed: Feed = NOTHING;

  /** False when the feed has a gap and must be fetched again. */
  take(message: Message, now: number): boolean {
    const step = apply(this.#feed, message);
    if (step === "refetch") return false;
    this.#feed = step.feed;
    for (const kind of step.changed) this.#publish(kind);
    this.lastHeard.value = now;
    if (message.type === "tick") this.clockOffset.value = Date.parse(message.at) - Date.now();
    if (message.type === "snapshot") {
      this.connected.value = true;
      this.known.value = true;
      this.failing.value = false;
    }
    return true;
  }

  disconnected(): void {
    this.#feed = { ...this.#feed, seq: null };
    this.connected.value = false;
    this.failing.value = true;
  }

  forget(): void {
    this.#feed = NOTHING;
    for (const kind of KINDS) this.#publish(kind);
    this.connected.value = false;
    this.known.value = false;
    this.failing.value = false;
  }

  #publish<K extends Kind>(kind: K): void {
    const published: Signal<ReadonlyMap<string, Kinds[K]>> = this.maps[kind];
    published.value = this.#feed.things[kind] as ReadonlyMap<string, Kinds[K]>;
  }
}

function first<T>(map: ReadonlyMap<string, T>): T | null {
  for (const value of map.values()) return value;
  return null;
}
