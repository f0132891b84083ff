/** One's own account: how one signs in, and where one is signed in. */

import { me } from "../app/session";
import { words } from "../i18n";
import { EventsPanel } from "./EventsPanel";
import { SecondStepPanel } from "./SecondStepPanel";
import { SessionsPanel } from "./SessionsPanel";

/** One's own account: how one signs in, and where one is signed in. */
export function AccountPage() {
  const w = words.value.account;
  const mustEnrol = me.value?.must_enrol === true;
  return (
    <main id="main" class="account">
      <h1>{w.title}</h1>
      <SecondStepPanel mustEnrol={mustEnrol} />
      {!mustEnrol && <SessionsPanel />}
      {!mustEnrol && <EventsPanel />}
    </main>
  );
}
