/** Who is signed in. A session that expires never ends a call: the page stays, and asks to sign in again. */

import { signal } from "@preact/signals";
import { ApiError, whenUnauthenticated } from "../api/http";
import { signIn as askSignIn, signOut as askSignOut, chooseLocale, whoAmI } from "../api/service";
import type { Locale, Me } from "../api/types";
import { locale, useLocale } from "../i18n";

/** Undefined until the service told. */
export const me = signal<Me | null | undefined>(undefined);
/** Signed in on this page, but the service no longer knows it. */
export const expired = signal(false);

whenUnauthenticated(() => {
  if (me.peek()) expired.value = true;
});

export async function recall(): Promise<void> {
  try {
    adopt(await whoAmI());
  } catch {
    me.value = null;
  }
}

/** After the live feed was refused: is it the session or the service? */
export async function verify(): Promise<void> {
  try {
    await whoAmI();
  } catch (error) {
    if (error instanceof ApiError && error.status === 401 && me.peek()) expired.value = true;
  }
}

export async function signIn(username: string, password: string): Promise<Me> {
  const before = me.peek();
  const now = await askSignIn(username, password);
  // Somebody else at the same page: nothing of the first person may stay on it.
  if (before && before.account_id !== now.account_id) window.location.reload();
  adopt(now);
  return now;
}

export async function signOut(): Promise<void> {
  await askSignOut().catch(() => undefined);
  me.value = null;
  // Nothing of what this person saw may stay in the page's memory.
  window.location.reload();
}

export async function speak(chosen: Locale): Promise<void> {
  if (chosen === locale.peek()) return;
  useLocale(chosen);
  if (me.peek()) await chooseLocale(chosen).catch(() => undefined);
}

function adopt(account: Me): void {
  expired.value = false;
  me.value = account;
  useLocale(account.locale);
}
