/** Milliseconds before the nth new attempt (from 0): 0.5 s doubling to 8 s, ± 25 % so that pages do not come in step. */
export function backoff(attempt: number, random: () => number = Math.random): number {
  const base = Math.min(8_000, 500 * 2 ** attempt);
  return Math.round(base * (0.75 + random() * 0.5));
}
