/** The whole page: who is here, which page is theirs, and the frame around it. */

import { AccountPage } from "../account/AccountPage";
import { BoardPage } from "../board/BoardPage";
import { words } from "../i18n";
import { ListenerPage } from "../listener/ListenerPage";
import { callNow } from "../listener/mode";
import { Announcer } from "../shell/announce";
import { Banners } from "../shell/Banners";
import { Header } from "../shell/Header";
import { AccountGone } from "../signin/AccountGone";
import { SignIn } from "../signin/SignIn";
import { SomebodyElse } from "../signin/SomebodyElse";
import { pagesOf, route } from "./route";
import { me, stranger, untold } from "./session";
import { live, phone, REMOTE_AUDIO_ID } from "./station";

export function App() {
  const account = me.value;
  return (
    <>
      <button type="button" class="skip" onClick={focusMain}>
        {words.value.app.skip}
      </button>
      <Header />
      {account === undefined ? (
        <main id="main" class="center">
          <h1 class="unseen">{words.value.app.name}</h1>
          <p
            class={untold.value ? "card lead" : "quiet"}
            role="status"
            data-testid="loading"
            data-untold={untold.value}
          >
            {untold.value ? words.value.app.untold : words.value.app.loading}
          </p>
        </main>
      ) : account === null ? (
        <SignIn />
      ) : stranger.value && phone.call.value === null ? (
        <main id="main" class="center">
          <SomebodyElse />
        </main>
      ) : (
        <>
          <Banners />
          <Page />
        </>
      )}
      <Announcer />
      {/* biome-ignore lint/a11y/useMediaCaption: a live conversation has no captions */}
      <audio id={REMOTE_AUDIO_ID} data-testid="remote-audio" autoPlay aria-label={words.value.call.remote} />
    </>
  );
}

function Page() {
  const account = me.value;
  if (!account) return null;
  // Nobody is thrown out of a conversation: what else there is comes when it is written up.
  if ((account.must_enrol || account.ended) && account.listener && inContact()) return <ListenerPage />;
  if (account.ended) return <AccountGone />;
  // A role that asks for a second step has no page before it is set up.
  if (account.must_enrol || route.value === "account") return <AccountPage />;
  const pages = pagesOf(account);
  const page = pages.includes(route.value) ? route.value : pages[0];
  if (page === "listen") return <ListenerPage />;
  if (page === "board") return <BoardPage />;
  return (
    <main id="main" class="center">
      <p>{words.value.app.noPage}</p>
    </main>
  );
}

/** Or it is not known yet whether they are. */
function inContact(): boolean {
  return !live.known.value || phone.call.value !== null || callNow.value !== null;
}

function focusMain(): void {
  const main = document.getElementById("main");
  main?.setAttribute("tabindex", "-1");
  main?.focus();
}
