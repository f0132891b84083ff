/**
 * The live feed as pure state: a snapshot with a number, then numbered changes. Old state plus changes must equal a
 * fresh snapshot; when a number is missing the state cannot be trusted and is fetched again.
 */

import type { Kind, Kinds } from "../api/types";

export const KINDS: readonly Kind[] = ["line", "me", "offer", "contact", "call", "listener"];

export type Entity = { [K in Kind]: { kind: K; id: string; value: Kinds[K] | null } }[Kind];

export type Message =
  | { type: "snapshot"; seq: number; entities: Entity[] }
  | { type: "changes"; seq: number; entities: Entity[] }
  | { type: "tick"; at: string }
  | { type: "refetch" };

export type Things = { readonly [K in Kind]: ReadonlyMap<string, Kinds[K]> };

export interface Feed {
  readonly seq: number | null;
  readonly things: Things;
}

export const NOTHING: Feed = {
  seq: null,
  things: {
    line: new Map(),
    me: new Map(),
    offer: new Map(),
    contact: new Map(),
    call: new Map(),
    listener: new Map(),
  },
};

export type Step = { feed: Feed; changed: ReadonlySet<Kind> } | "refetch";

/** One message later. `refetch`: the feed has a gap, connect again. */
export function apply(feed: Feed, message: Message): Step {
  switch (message.type) {
    case "snapshot":
      return {
        feed: { seq: message.seq, things: merge(NOTHING.things, message.entities) },
        changed: new Set(KINDS),
      };
    case "changes":
      if (feed.seq === null || message.seq !== feed.seq + 1) return "refetch";
      return {
        feed: { seq: message.seq, things: merge(feed.things, message.entities) },
        changed: new Set(message.entities.map((entity) => entity.kind).filter(isKind)),
      };
    case "tick":
      return { feed, changed: new Set() };
    case "refetch":
      return "refetch";
  }
}

function merge(things: Things, entities: readonly Entity[]): Things {
  const next: { [K in Kind]?: Map<string, Kinds[K]> } = {};
  const copyOf = <K extends Kind>(kind: K): Map<string, Kinds[K]> => {
    const copy =
      (next[kind] as Map<string, Kinds[K]> | undefined) ?? new Map(things[kind] as ReadonlyMap<string, Kinds[K]>);
    (next as Record<Kind, unknown>)[kind] = copy;
    return copy;
  };
  for (const entity of entities) {
    // A newer service may send kinds that this page does not know.
    if (!isKind(entity.kind)) continue;
    const map = copyOf(entity.kind);
    if (entity.value === null) map.delete(String(entity.id));
    else map.set(String(entity.id), entity.value as Kinds[typeof entity.kind]);
  }
  return { ...things, ...next };
}

function isKind(kind: string): kind is Kind {
  return (KINDS as readonly string[]).includes(kind);
}

/** Null for what is not a message of ours. */
export function parse(text: string): Message | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null || !("type" in value)) return null;
  const message = value as { type: unknown; seq?: unknown; entities?: unknown; at?: unknown };
  switch (message.type) {
    case "snapshot":
    case "changes":
      return typeof message.seq === "number" && Array.isArray(message.entities) ? (value as Message) : null;
    case "tick":
      return typeof message.at === "string" ? (value as Message) : null;
    case "refetch":
      return { type: "refetch" };
    default:
      return null;
  }
}
