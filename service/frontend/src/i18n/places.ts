/** Queues and centres by a name that people know them by, from their ids. Pure. */

import type { Dictionary } from "./fr";

const NATIONAL = "national";

/** `centre-01` → `Centre 01`. */
export function centreName(id: string, words: Dictionary["places"]): string {
  return words.centre(id.replace(/^centre-/, "").replaceAll("-", " "));
}

/** The national queue, or a centre's, which has the centre's id. */
export function queueName(id: string, words: Dictionary["places"]): string {
  return id === NATIONAL ? words.national : centreName(id, words);
}
