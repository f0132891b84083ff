/** The head of every page: which page, which language, who is signed in. */

import type { Locale } from "../api/types";
import { pagesOf, route } from "../app/route";
import { me, speak, stranger } from "../app/session";
import { live } from "../app/station";
import { type Theme, theme } from "../app/theme";
import { locale, words } from "../i18n";
import { leave, leaveAfter } from "./leaving";

export function Header() {
  const w = words.value.app;
  // Nobody signs out the other person from here.
  const account = stranger.value ? null : me.value;
  return (
    <header class="header">
      <div class="brand">
        <img src="/favicon.svg" alt="" width="36" height="36" />
        <span class="brand-name">{w.name}</span>
      </div>
      {account && <Pages />}
      {account && <LineBadge />}
      <div class="header-tools">
        <ThemeChoice />
        <div class="choice" role="group" aria-label={w.language}>
          <LocaleButton of="fr" label={w.french} short="FR" />
          <LocaleButton of="en" label={w.english} short="EN" />
        </div>
        {account && (
          <>
            <a
              class="who-am-i"
              href="#/account"
              data-testid="account"
              aria-current={route.value === "account" ? "page" : undefined}
              aria-label={w.accountOf(account.display_name)}
            >
              {account.display_name}
            </a>
            <SignOut />
          </>
        )}
      </div>
    </header>
  );
}

function SignOut() {
  const w = words.value.app;
  const after = leaveAfter.value;
  const why = after === null ? undefined : w.signOutAfter[after];
  return (
    <>
      <button
        type="button"
        class="button quiet-button"
        data-testid="sign-out"
        disabled={why !== undefined}
        title={why}
        aria-describedby={why === undefined ? undefined : "sign-out-after"}
        onClick={() => void leave()}
      >
        {w.signOut}
      </button>
      {why !== undefined && (
        <span id="sign-out-after" class="unseen">
          {why}
        </span>
      )}
    </>
  );
}

function Pages() {
  const account = me.value;
  const pages = account ? pagesOf(account) : [];
  // From one's own account there must be a way back.
  if (pages.length < 2 && route.value !== "account") return null;
  const now = route.value === "" ? pages[0] : route.value;
  const names = { listen: words.value.app.listen, board: words.value.app.board, account: "", "": "" };
  return (
    <nav class="pages" aria-label={words.value.app.pages}>
      {pages.map((page) => (
        <a key={page} href={`#/${page}`} aria-current={page === now ? "page" : undefined}>
          {names[page]}
        </a>
      ))}
    </nav>
  );
}

function LineBadge() {
  const w = words.value.line;
  const lines = live.lines.value;
  const worst =
    !live.connected.value || lines.length === 0 ? null : (lines.find((line) => line.state !== "up") ?? lines[0]);
  const state = worst?.state ?? "unknown";
  return (
    <span class={`badge line-${state}`} data-testid="line-state" data-state={state}>
      <span class="badge-mark" aria-hidden="true" />
      {w[state]}
    </span>
  );
}

function ThemeChoice() {
  const w = words.value.app;
  const names: Record<Theme, string> = { auto: w.themeAuto, light: w.themeLight, dark: w.themeDark };
  return (
    <label class="theme">
      <span class="unseen">{w.theme}</span>
      <select
        data-testid="theme"
        value={theme.value}
        onChange={(event) => {
          theme.value = event.currentTarget.value as Theme;
        }}
      >
        {Object.entries(names).map(([value, name]) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

function LocaleButton({ of, label, short }: { of: Locale; label: string; short: string }) {
  return (
    <button
      type="button"
      data-testid={`locale-${of}`}
      lang={of}
      aria-pressed={locale.value === of}
      aria-label={`${short} – ${label}`}
      onClick={() => void speak(of)}
    >
      {short}
    </button>
  );
}
