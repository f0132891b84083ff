/** A listener's one page: telephone and case together. */

import { me } from "../app/session";
import { words } from "../i18n";
import { CallPanel } from "./CallPanel";
import { CasePanel } from "./CasePanel";
import { IdlePanel } from "./IdlePanel";
import { callNow, modeNow, writing } from "./mode";
import { NotesPanel } from "./NotesPanel";
import { Rail } from "./Rail";
import { RingingPanel } from "./RingingPanel";
import { useShortcuts } from "./shortcuts";
import { WhoPanel } from "./WhoPanel";
import { WrapUpPanel } from "./WrapUpPanel";

export function ListenerPage() {
  useShortcuts();
  const mode = modeNow.value;
  const callId = callNow.value;
  // Whoever lost their rights meanwhile keeps the call and its notes: the case is their team's.
  const confined = me.value?.ended === true || me.value?.must_enrol === true;
  return (
    <main id="main" class="listen" data-mode={mode}>
      <h1 class="unseen">{words.value.app.listen}</h1>
      <div class="stage">
        <Stage />
        {writing.value && callId !== null && (
          <div class="conversation">
            <NotesPanel callId={callId} />
            {!confined && (
              <div class="beside">
                <WhoPanel callId={callId} />
                <CasePanel callId={callId} />
              </div>
            )}
          </div>
        )}
      </div>
      <Rail />
    </main>
  );
}

function Stage() {
  switch (modeNow.value) {
    case "ringing":
      return <RingingPanel />;
    case "talking":
    case "elsewhere":
      return <CallPanel />;
    case "wrap-up":
      return <WrapUpPanel />;
    default:
      return <IdlePanel />;
  }
}
