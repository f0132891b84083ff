/** The side of the listener's page: state, queue, telephone. */

import { useSignal } from "@preact/signals";
import { live, phone, ring } from "../app/station";
import { words } from "../i18n";
import { chooseRawAudio, rawAudio } from "../phone/microphone";
import { Icon, type IconName } from "../shell/Icon";
import { modeNow } from "./mode";
import { usePauseLabel } from "./pauses";
import { KEYS } from "./shortcuts";
import type { Mode } from "./view";

export function Rail() {
  return (
    <aside class="rail" aria-label={words.value.state.title}>
      <Presence />
      <Sound />
      <Shortcuts />
    </aside>
  );
}

const MARKS: Record<Mode, IconName> = {
  unknown: "warning",
  absent: "person",
  free: "check",
  paused: "leaf",
  fault: "warning",
  reconnecting: "warning",
  unreachable: "warning",
  ringing: "bell",
  talking: "answer",
  elsewhere: "answer",
  ending: "answer",
  "wrap-up": "pen",
};

function Presence() {
  const w = words.value;
  const mode = modeNow.value;
  const registration = phone.registration.value;
  return (
    <section class="card tight" aria-labelledby="presence-title">
      <h2 id="presence-title">{w.state.title}</h2>
      <dl class="facts">
        <div>
          <dt>{w.board.state}</dt>
          <dd class={`mark mark-${mode}`} data-testid="listener-state" data-state={mode}>
            <Icon name={MARKS[mode]} />
            <span>
              {mode === "elsewhere" ? w.state.talking : w.state[mode]}
              <Reason />
              {!live.connected.value &&
                live.known.value &&
                phone.call.value === null &&
                phone.lastEnded.value === null && <small> ({w.state.stale})</small>}
            </span>
          </dd>
        </div>
        <div>
          <dt>{w.phone.title}</dt>
          <dd class={`mark phone-${registration}`} data-testid="phone-state" data-state={registration}>
            <Icon name={registration === "registered" ? "check" : "warning"} />
            <span>{w.phone[registration]}</span>
          </dd>
        </div>
      </dl>
    </section>
  );
}

function Reason() {
  const label = usePauseLabel();
  return label === null ? null : <> · {label}</>;
}

function Sound() {
  const w = words.value.phone;
  const raw = useSignal(rawAudio());
  return (
    <section class="card tight" aria-labelledby="sound-title">
      <h2 id="sound-title">{w.sound}</h2>
      <label class="tick">
        <input
          type="checkbox"
          data-testid="raw-audio"
          checked={raw.value}
          aria-describedby="raw-help"
          onChange={(event) => {
            raw.value = event.currentTarget.checked;
            chooseRawAudio(raw.value);
          }}
        />
        <span>{w.raw}</span>
      </label>
      <p class="hint" id="raw-help">
        {w.rawHelp}
      </p>
      <button type="button" class="button quiet-button" onClick={() => void ring.unlock().then(() => ring.chime())}>
        <Icon name="bell" />
        {w.testRing}
      </button>
    </section>
  );
}

function Shortcuts() {
  const w = words.value.shortcuts;
  return (
    <details class="card tight fold">
      <summary>{w.title}</summary>
      <dl class="keys">
        {KEYS.map(({ name, letter }) => (
          <div key={name}>
            <dt>
              <kbd>{w.keys(letter)}</kbd>
            </dt>
            <dd>{w[name]}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
