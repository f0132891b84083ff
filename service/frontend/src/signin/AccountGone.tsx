/** In the place of the pages of somebody whose account was closed, once their last conversation is written up. */

import { words } from "../i18n";

export function AccountGone() {
  const w = words.value.signIn;
  return (
    <main id="main" class="center">
      <section class="card sign-in" role="status" data-testid="account-gone">
        <p class="lead">{w.accountGone}</p>
        <p class="quiet">{w.accountGoneHelp}</p>
      </section>
    </main>
  );
}
