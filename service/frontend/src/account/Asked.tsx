/** A small form of the account's page: the own password, a code, or both, and one button. */

import { type Signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { words } from "../i18n";
import { trouble } from "./trouble";

/** Of a field, for tests and the browser's own helpers. */
type Name = "own-password" | "step-code";

interface Props {
  ask: readonly Name[];
  submit: string;
  kind?: "primary" | "";
  /** What was typed; throws when it did not work. */
  onSubmit: (typed: { password: string; code: string }) => Promise<void>;
  children?: ComponentChildren;
}

/** What is asked, and one button. */
export function Asked({ ask, submit, kind = "primary", onSubmit, children }: Props) {
  const password = useSignal("");
  const code = useSignal("");
  const busy = useSignal(false);
  const failure = useSignal("");

  async function send(event: Event): Promise<void> {
    event.preventDefault();
    busy.value = true;
    failure.value = "";
    try {
      await onSubmit({ password: password.value, code: code.value });
    } catch (error) {
      failure.value = trouble(error, words.value.account);
    } finally {
      password.value = "";
      code.value = "";
      busy.value = false;
    }
  }

  const last = ask.at(-1);
  return (
    <form class="form" onSubmit={(event) => void send(event)} aria-busy={busy.value}>
      {children}
      {ask.map((name) => (
        <Field key={name} name={name} typed={name === "own-password" ? password : code} />
      ))}
      <p class="form-error" role="alert" data-testid={`${last}-error`}>
        {failure.value}
      </p>
      <button type="submit" class={`button ${kind}`} data-testid={`${last}-submit`} disabled={busy.value}>
        {submit}
      </button>
    </form>
  );
}

function Field({ name, typed }: { name: Name; typed: Signal<string> }) {
  const w = words.value.account;
  const secret = name === "own-password";
  return (
    <label class="field">
      <span>{secret ? w.ownPassword : w.code}</span>
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
  );
}
