/** The conversation: with whom, and the few things that can be done in it. */

import { phone } from "../app/station";
import { words } from "../i18n";
import { Icon } from "../shell/Icon";
import { busy, endCall } from "./actions";
import { Failure } from "./IdlePanel";
import { ARIA_KEYS } from "./shortcuts";

/** The conversation. No clock runs here, on purpose: nobody is timed. */
export function CallPanel() {
  const w = words.value;
  const call = phone.call.value;
  return (
    <section
      class="card stage-card talking"
      data-testid="in-call"
      data-call-id={call?.callId ?? ""}
      aria-labelledby="call-title"
    >
      <div class="call-head">
        <h2 id="call-title" class="display">
          {title()}
        </h2>
        <p class="lead" role="status">
          {situation()}
        </p>
      </div>
      {call?.stage === "live" && (
        <div class="call-controls" role="group" aria-label={w.call.controls}>
          <button
            type="button"
            class="button toggle"
            data-testid="mute"
            aria-pressed={call.muted}
            aria-keyshortcuts={ARIA_KEYS.mute}
            onClick={() => phone.mute(!call.muted)}
          >
            <Icon name={call.muted ? "micOff" : "mic"} />
            {call.muted ? w.call.unmute : w.call.mute}
          </button>
          <button
            type="button"
            class="button toggle"
            data-testid="hold"
            aria-pressed={call.held}
            aria-keyshortcuts={ARIA_KEYS.hold}
            onClick={() => phone.hold(!call.held)}
          >
            <Icon name={call.held ? "play" : "hold"} />
            {call.held ? w.call.unhold : w.call.hold}
          </button>
        </div>
      )}
      {call?.stage !== "answering" && (
        <div class="call-end">
          <button
            type="button"
            id="end"
            class="button end"
            data-testid="end"
            aria-describedby="end-help"
            disabled={busy.value === "end"}
            onClick={() => void endCall()}
          >
            <Icon name="end" />
            {w.call.end}
          </button>
          <p class="hint" id="end-help">
            {w.call.endHelp}
          </p>
        </div>
      )}
      <Failure />
    </section>
  );
}

function title(): string {
  const w = words.value;
  const call = phone.call.value;
  if (call === null) return w.idle.elsewhereTitle;
  if (call.stage === "answering") return w.call.connecting;
  if (call.held) return w.call.held;
  return call.muted ? w.call.muted : w.call.inConversation;
}

function situation(): string {
  const w = words.value;
  const call = phone.call.value;
  if (call === null) return w.idle.elsewhereText;
  if (call.media === "shaky") return w.phone.shaky;
  if (call.held) return w.call.heldText;
  return call.muted ? w.call.mutedText : "";
}
