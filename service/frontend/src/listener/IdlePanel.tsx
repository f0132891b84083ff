/** Between conversations: one state, the few things that can be done in it. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { live, notebook, phone, vault } from "../app/station";
import { words } from "../i18n";
import { type MicrophonePermission, microphonePermission } from "../phone/microphone";
import { Icon } from "../shell/Icon";
import { busy, failed, join, leave, resume } from "./actions";
import { callNow, modeNow, ringsUnheard } from "./mode";
import { notSaved } from "./notSaved";
import { PauseChoices } from "./PauseChoices";

/** Between conversations: one state, the few things that can be done in it. */
export function IdlePanel() {
  const w = words.value;
  const mode = modeNow.value;
  const [title, text] = sentences();
  return (
    <section class={`card stage-card idle idle-${mode}`} aria-labelledby="idle-title">
      <h2 id="idle-title" class="display">
        {title}
      </h2>
      <p class="lead">{text}</p>
      <div class="actions">
        {mode === "absent" && <JoinButton />}
        {(mode === "paused" || mode === "fault") && (
          <button
            type="button"
            class="button primary large"
            data-testid="resume"
            disabled={busy.value !== null}
            onClick={resume}
          >
            <Icon name="play" />
            {w.queue.resume}
          </button>
        )}
        {mode === "free" && <PauseChoices />}
        {["free", "paused", "fault", "unreachable"].includes(mode) && <LeaveButton />}
      </div>
      {mode === "absent" && <MicrophoneWord />}
      <Failure />
    </section>
  );
}

function sentences(): readonly [string, string] {
  const w = words.value.idle;
  switch (modeNow.value) {
    case "absent":
      return [w.absentTitle, w.absentText];
    case "free":
      return [w.freeTitle, freeText()];
    case "paused":
      return [w.pausedTitle, w.pausedText];
    case "fault":
      return [w.faultTitle, w.faultText];
    case "unreachable":
      return [w.unreachableTitle, w.unreachableText];
    case "reconnecting":
      return [w.reconnectingTitle, w.reconnectingText];
    case "ending":
      return [words.value.state.ending, w.endingText];
    default:
      return [w.unknownTitle, w.unknownText];
  }
}

function freeText(): string {
  const w = words.value.idle;
  if (phone.registration.value === "elsewhere") return w.freeElsewhere;
  return ringsUnheard.value ? w.freeSilent : w.freeText;
}

function JoinButton() {
  return (
    <button
      type="button"
      class="button primary large"
      data-testid="queue-sign-in"
      disabled={busy.value !== null || !live.connected.value}
      onClick={join}
    >
      <Icon name="answer" />
      {words.value.queue.join}
    </button>
  );
}

export function LeaveButton() {
  return (
    <button type="button" class="button" data-testid="queue-sign-out" disabled={busy.value !== null} onClick={leave}>
      {words.value.queue.leave}
    </button>
  );
}

/** Why the browser will ask, before it asks. */
function MicrophoneWord() {
  const permission = useSignal<MicrophonePermission>("unknown");
  useEffect(() => {
    void microphonePermission().then((state) => {
      permission.value = state;
    });
  }, [permission]);
  if (permission.value === "granted") return null;
  return (
    <p class="hint with-icon">
      <Icon name="mic" />
      <span>
        {permission.value === "denied" ? words.value.phone.microphoneRefused : words.value.phone.microphoneWhy}
      </span>
    </p>
  );
}

export function Failure() {
  const which = failed.value;
  return (
    <p class="form-error" role="alert" data-testid="action-error">
      {which !== null &&
        (which === "end"
          ? words.value.call.endFailed
          : which === "end-wrapup"
            ? words.value.wrapUp.failed
            : which === "notes"
              ? notesSentence()
              : words.value.queue.failed)}
    </p>
  );
}

function notesSentence(): string {
  const callId = callNow.value;
  const state = callId === null ? "empty" : notebook.of(callId).state.value;
  return notSaved(state, vault.where.value === "browser", words.value.wrapUp);
}
