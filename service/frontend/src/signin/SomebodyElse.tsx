/** In the place of a page whose person is not the one of this browser's session any more. */

import { vault } from "../app/station";
import { words } from "../i18n";

export function SomebodyElse() {
  const w = words.value.signIn;
  return (
    <section class="card sign-in" role="alert" data-testid="somebody-else">
      <p>{w.somebodyElse}</p>
      <button type="button" class="button primary" data-testid="go-on" onClick={() => void goOn()}>
        {w.somebodyElseGoOn}
      </button>
    </section>
  );
}

/** The page of whoever is signed in now, once the last letters of the first person are sealed. */
async function goOn(): Promise<void> {
  await vault.flush();
  window.location.reload();
}
