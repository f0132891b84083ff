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

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    busy.value = true;
    failure.value = null;
    try {
      await signIn(name.value.trim(), password.value);
    } catch (error) {
      failure.value = error instanceof ApiError ? error : new ApiError("unknown", 500, "");
    } finally {
      password.value = "";
      busy.value = false;
    }
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
