/** A small form of the account's page: what is asked, and one button. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { words } from "../i18n";
import { trouble } from "./trouble";

interface Props {
  /** Of the field, for tests and the browser's own helpers. */
  name: "own-password" | "step-code";
  label: string;
  submit: string;
  kind?: "primary" | "";
  /** What was typed; throws when it did not work. */
  onSubmit: (typed: string) => Promise<void>;
  children?: ComponentChildren;
}

/** One question, one button: the own password, or a code. */
export function Asked({ name, label, submit, kind = "primary", onSubmit, children }: Props) {
  const typed = useSignal("");
  const busy = useSignal(false);
  const failure = useSignal("");

  async function send(event: Event): Promise<void> {
    event.preventDefault();
    busy.value = true;
    failure.value = "";
    try {
      await onSubmit(typed.value);
    } catch (error) {
      failure.value = trouble(error, words.value.account);
    } finally {
      typed.value = "";
      busy.value = false;
    }
  }

  const secret = name === "own-password";
  return (
    <form class="form" onSubmit={(event) => void send(event)} aria-busy={busy.value}>
      {children}
      <label class="field">
        <span>{label}</span>
        <input
          data-testid={name}
          name={name}
          {...(secret ? { type: "password" as const } : { type: "text" as const, inputMode: "numeric" as const })}
          autocomplete={secret ? "current-password" : "one-time-code"}
          spellcheck={false}
          required
          maxLength={secret ? 500 : 12}
          value={typed.value}
          onInput={(event) => {
            typed.value = event.currentTarget.value;
          }}
        />
      </label>
      <p class="form-error" role="alert" data-testid={`${name}-error`}>
        {failure.value}
      </p>
      <button type="submit" class={`button ${kind}`} data-testid={`${name}-submit`} disabled={busy.value}>
        {submit}
      </button>
    </form>
  );
}
