/** The form to sign in with, and its second step. */

import { useSignal } from "@preact/signals";
import { ApiError } from "../api/http";
import { signIn } from "../app/session";
import { words } from "../i18n";
import { refused } from "./refused";

export function SignInForm({ username = "" }: { username?: string }) {
  const w = words.value.signIn;
  const name = useSignal(username);
  const password = useSignal("");
  const shown = useSignal(false);
  const busy = useSignal(false);
  const failure = useSignal<ApiError | null>(null);
  /** Null until the service asks for the second step. */
  const code = useSignal<string | null>(null);

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    busy.value = true;
    failure.value = null;
    try {
      await signIn(name.value.trim(), password.value, code.value?.trim() ?? null);
      password.value = "";
      code.value = null;
    } catch (error) {
      refuse(error instanceof ApiError ? error : new ApiError("unknown", 500, ""));
    } finally {
      busy.value = false;
    }
  }

  /** The password is kept while the code is asked for, and for nothing else. */
  function refuse(error: ApiError): void {
    const step = error.id === "second-step-needed" || error.id === "second-step-refused";
    if (error.id !== "second-step-needed") failure.value = error;
    if (step) code.value = "";
    else if (code.value === null || error.status === 401) backToPassword();
  }

  function backToPassword(): void {
    password.value = "";
    code.value = null;
  }

  if (code.value !== null) {
    return (
      <form class="form" onSubmit={(event) => void submit(event)} aria-busy={busy.value}>
        <p id="code-help">{w.codeHelp}</p>
        <label class="field">
          <span>{w.code}</span>
          <input
            ref={focused}
            data-testid="code"
            name="code"
            autocomplete="one-time-code"
            autocapitalize="none"
            spellcheck={false}
            required
            maxLength={40}
            aria-describedby="code-help"
            value={code.value}
            onInput={(event) => {
              code.value = event.currentTarget.value;
            }}
          />
        </label>
        <p class="form-error" role="alert" data-testid="sign-in-error">
          {failure.value !== null && refused(failure.value, w)}
        </p>
        <button type="submit" class="button primary large" data-testid="sign-in" disabled={busy.value}>
          {w.submit}
        </button>
        <button type="button" class="button quiet-button" onClick={backToPassword}>
          {w.codeBack}
        </button>
      </form>
    );
  }

  return (
    <form class="form" onSubmit={(event) => void submit(event)} aria-busy={busy.value}>
      <label class="field">
        <span>{w.username}</span>
        <input
          data-testid="username"
          name="username"
          autocomplete="username"
          autocapitalize="none"
          spellcheck={false}
          required
          value={name.value}
          onInput={(event) => {
            name.value = event.currentTarget.value;
          }}
        />
      </label>
      <label class="field">
        <span>{w.password}</span>
        <input
          data-testid="password"
          name="password"
          {...(shown.value ? { type: "text" as const } : { type: "password" as const })}
          autocomplete="current-password"
          required
          value={password.value}
          onInput={(event) => {
            password.value = event.currentTarget.value;
          }}
        />
      </label>
      <label class="tick">
        <input
          type="checkbox"
          checked={shown.value}
          onChange={(event) => {
            shown.value = event.currentTarget.checked;
          }}
        />
        <span>{w.show}</span>
      </label>
      <p class="form-error" role="alert" data-testid="sign-in-error">
        {failure.value !== null && refused(failure.value, w)}
      </p>
      <button type="submit" class="button primary large" data-testid="sign-in" disabled={busy.value}>
        {w.submit}
      </button>
    </form>
  );
}

/** The form changed under the person's hands: their typing goes on in it. */
function focused(input: HTMLInputElement | null): void {
  input?.focus();
}
