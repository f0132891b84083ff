/** Who is signed in. A session that expires never ends a call: the page stays, and asks to sign in again. */

import { signal } from "@preact/signals";
import { ApiError, askAs, whenConfined, whenUnauthenticated } from "../api/http";
import { signIn as askSignIn, signOut as askSignOut, chooseLocale, whoAmI } from "../api/service";
import type { Locale, Me } from "../api/types";
import { locale, useLocale } from "../i18n";
import { backoff } from "../live/backoff";

/** Undefined until the service told. */
export const me = signal<Me | null | undefined>(undefined);
/** The service does not say who is here, and is asked again: no reason to ask a person for their password. */
export const untold = signal(false);
/** Signed in on this page, but the service no longer knows it. */
export const expired = signal(false);

/** Somebody else signed in in another tab of this browser: this page may neither show nor save anything any more. */
export const stranger = signal(false);

whenUnauthenticated((errorId) => {
  if (!me.peek()) return;
  if (errorId === "another-account") stranger.value = true;
  else expired.value = true;
});
whenConfined(() => void verify());
askAs({
  account: () => me.peek()?.account_id ?? null,
  async admitted() {
    // A sign-in that expired here may have been renewed in another tab: by the same person, or by another.
    if (!me.peek()) return true;
    if (expired.peek() && !stranger.peek()) await ask();
    return !expired.peek() && !stranger.peek();
  },
});

/** Who is here, asked until the service says it. Only its own word means that nobody is. */
export async function recall(): Promise<void> {
  for (let attempt = 0; !(await told()); attempt += 1) {
    untold.value = true;
    await new Promise((again) => setTimeout(again, backoff(attempt)));
  }
  untold.value = false;
}

async function told(): Promise<boolean> {
  try {
    await ask();
    return true;
  } catch (error) {
    if (error instanceof ApiError) return false;
    throw error;
  }
}

/** Whether the service's answer is for the person of this page; for nobody else does the page go on. */
export function recognise(accountId: number): boolean {
  const known = me.peek();
  if (!known || stranger.peek()) return !stranger.peek();
  if (known.account_id === accountId) expired.value = false;
  else stranger.value = true;
  return !stranger.peek();
}

/** After the live feed was refused: is it the session or the service, and is it still the same person? */
export async function verify(): Promise<void> {
  await ask().catch(() => undefined);
}

/** ApiError: the service does not answer. */
async function ask(): Promise<void> {
  try {
    const now = await whoAmI();
    if (!me.peek()) adopt(now);
    else if (recognise(now.account_id)) learn(now);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    if (me.peek()) expired.value = true;
    else me.value = null;
  }
}

/** What the person may do here has changed: their page changes with it, and a call that goes on is not touched. */
function learn(now: Me): void {
  const known = me.peek();
  if (!known) return;
  const same = known.must_enrol === now.must_enrol && known.ended === now.ended && known.listener === now.listener;
  if (!same) me.value = now;
}

export async function signIn(username: string, password: string, code: string | null = null): Promise<Me> {
  const before = me.peek();
  const now = await askSignIn(username, password, code);
  // Somebody else at the same page: nothing of the first person may stay on it, nor be saved in the second one's name.
  if (before && before.account_id !== now.account_id) window.location.reload();
  else adopt(now);
  return now;
}

/**
 * `inCall`: whether a call has begun on this page while the service was asked: then the page stays, for the caller, and
 * asks to sign in again. False where it stays. ApiError: the service did not hear it, and whoever sits here next would
 * be this person.
 */
export async function signOut(inCall: () => boolean): Promise<boolean> {
  await askSignOut().catch(unlessOut);
  if (inCall()) {
    expired.value = true;
    return false;
  }
  forget();
  return true;
}

/** Nobody is here any more: nothing of what this person saw may stay in the page's memory. */
export function forget(): void {
  me.value = null;
  window.location.reload();
}

export async function speak(chosen: Locale): Promise<void> {
  if (chosen === locale.peek()) return;
  useLocale(chosen);
  if (me.peek()) await chooseLocale(chosen).catch(() => undefined);
}

function unlessOut(error: unknown): void {
  if (!(error instanceof ApiError) || error.status !== 401) throw error;
}

function adopt(account: Me): void {
  expired.value = false;
  me.value = account;
  useLocale(account.locale);
}
