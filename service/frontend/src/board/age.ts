/** How old the board is, in words. Pure. */

import type { Dictionary } from "../i18n/fr";

/** Below this the data counts as fresh: the service says something every two seconds. */
export const FRESH_S = 4;

export interface Ageing {
  /** There is something to show. */
  readonly known: boolean;
  /** Up to when a PBX was heard that is not heard now; null where all are. */
  readonly lostAt: string | null;
  /** When the service was last heard, on its own clock. */
  readonly heardAt: string;
  /** Seconds since then. */
  readonly seconds: number;
}

export function ageing({ known, lostAt, heardAt, seconds }: Ageing, words: Dictionary["board"]): string {
  if (!known) return words.noData;
  if (lostAt !== null) return words.asOf(lostAt);
  return seconds < FRESH_S ? words.fresh(heardAt) : words.age(seconds);
}
