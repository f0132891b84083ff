/** The page before anything else: signing in. */

import { words } from "../i18n";
import { SignInForm } from "./SignInForm";

export function SignIn() {
  const w = words.value;
  return (
    <main id="main" class="center">
      <section class="card sign-in" aria-labelledby="sign-in-title">
        <p class="eyebrow">{w.app.tagline}</p>
        <h1 id="sign-in-title">{w.signIn.title}</h1>
        <p class="quiet">{w.signIn.intro}</p>
        <SignInForm />
      </section>
    </main>
  );
}
