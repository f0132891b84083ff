/**
 * The live feed as pure state: a snapshot with a number, then numbered changes. Old state plus changes must equal a
 * fresh snapshot; when a number is missing the state cannot be trusted and is fetched again.
 */

import type { Entity, Kind, Kinds, LiveMessage } from "../api/types";

export type { Entity, LiveMessage as Message } from "../api/types";

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
    alarm: new Map(),
    notice: new Map(),
  },
};

export const KINDS = Object.keys(NOTHING.things) as readonly Kind[];

export type Step = { feed: Feed; changed: ReadonlySet<Kind> } | "refetch";

/** One message later. `refetch`: the feed has a gap, connect again. */
export function apply(feed: Feed, message: LiveMessage): Step {
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

/** What tells a message of each type from nonsense. A type that the service's description adds is missed by `tsc`. */
const WELL_FORMED: { [M in LiveMessage as M["type"]]: (message: Partial<Record<keyof M, unknown>>) => boolean } = {
  snapshot: (message) => isNumbered(message) && typeof message.account_id === "number",
  changes: isNumbered,
  tick: ({ at }) => typeof at === "string",
  refetch: () => true,
};

function isNumbered({ seq, entities }: { seq?: unknown; entities?: unknown }): boolean {
  return typeof seq === "number" && Array.isArray(entities);
}

/** Null for what is not a message of ours. */
export function parse(text: string): LiveMessage | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const message = value as { type?: unknown };
  if (typeof message.type !== "string" || !Object.hasOwn(WELL_FORMED, message.type)) return null;
  return WELL_FORMED[message.type as LiveMessage["type"]](message) ? (value as LiveMessage) : null;
}
