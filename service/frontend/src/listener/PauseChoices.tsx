/** The pauses: one click to ask, one to choose, nothing to explain. */

import { useSignal } from "@preact/signals";
import { words } from "../i18n";
import { Icon } from "../shell/Icon";
import { busy, takeBreak } from "./actions";
import { usePauseChoices } from "./pauses";

/** One click to ask, one to choose; nothing to explain. */
export function PauseChoices() {
  const w = words.value.queue;
  const open = useSignal(false);
  const choices = usePauseChoices();
  if (!open.value)
    return (
      <button
        type="button"
        class="button"
        data-testid="pause"
        aria-expanded="false"
        disabled={busy.value !== null}
        onClick={() => {
          open.value = true;
        }}
      >
        <Icon name="leaf" />
        {w.pause}
      </button>
    );
  return (
    <fieldset class="choices">
      <legend>{w.pauseTitle}</legend>
      <p class="hint">{w.pauseHelp}</p>
      <div class="choice-list">
        {choices.map((choice, index) => (
          <button
            key={choice.key}
            type="button"
            class={`button${choice.key === "breathing-space" ? " soft" : ""}`}
            data-testid={`pause-reason-${choice.key}`}
            disabled={busy.value !== null}
            ref={index === 0 ? focusOnce : null}
            onClick={() => void takeBreak(choice.key)}
          >
            {choice.label}
          </button>
        ))}
        <button
          type="button"
          class="button quiet-button"
          onClick={() => {
            open.value = false;
          }}
        >
          {w.pauseBack}
        </button>
      </div>
    </fieldset>
  );
}

function focusOnce(element: HTMLButtonElement | null): void {
  if (element !== null && element.dataset["focused"] === undefined) {
    element.dataset["focused"] = "";
    element.focus();
  }
}
