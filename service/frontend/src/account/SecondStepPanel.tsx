/** Setting up, and taking away, the code of one's telephone. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { beginSecondStep, confirmSecondStep, removeSecondStep, renewRecoveryCodes, secondStep } from "../api/service";
import type { Enrolment, SecondStep } from "../api/types";
import { me, recall } from "../app/session";
import { phone } from "../app/station";
import { words } from "../i18n";
import { SignInForm } from "../signin/SignInForm";
import { Asked } from "./Asked";

/** Setting up, and taking away, the code of one's telephone. */
export function SecondStepPanel({ mustEnrol }: { mustEnrol: boolean }) {
  const w = words.value.account;
  const state = useSignal<SecondStep | null>(null);
  const begun = useSignal<Enrolment | null>(null);
  const codes = useSignal<readonly string[] | null>(null);

  async function look(): Promise<void> {
    state.value = await secondStep().catch(() => null);
  }
  useEffect(() => {
    void look();
  }, []);

  async function begin({ password }: { password: string }): Promise<void> {
    begun.value = await beginSecondStep(password);
  }
  async function confirm({ code }: { code: string }): Promise<void> {
    codes.value = (await confirmSecondStep(code)).codes;
    begun.value = null;
    await look();
  }
  async function renew({ password, code }: { password: string; code: string }): Promise<void> {
    codes.value = (await renewRecoveryCodes(password, code)).codes;
    await look();
  }
  async function remove({ password }: { password: string }): Promise<void> {
    state.value = await removeSecondStep(password);
  }
  function done(): void {
    codes.value = null;
    if (!mustEnrol) return;
    // The page was opened without any right: it begins anew with all of them; but not in the middle of a call.
    if (phone.call.peek() === null) window.location.reload();
    else void recall();
  }

  const now = state.value;
  // They have one; it is this browser that was signed in without.
  const present = mustEnrol && codes.value === null && now?.on === true;
  return (
    <section class="card" aria-labelledby="step-title">
      <h2 id="step-title">{w.stepTitle}</h2>
      <p class="quiet">{present ? w.stepPresent : mustEnrol && codes.value === null ? w.stepMustEnrol : w.stepWhy}</p>
      {now !== null && (
        <p role="status" data-testid="second-step" data-on={now.on}>
          <strong>{now.on ? w.stepOn : w.stepOff}</strong> {now.on && w.codesLeft(now.recovery_codes_left)}
        </p>
      )}
      {present ? (
        <SignInForm username={me.value?.username ?? ""} />
      ) : codes.value !== null ? (
        <Recovery codes={codes.value} onDone={done} />
      ) : begun.value !== null ? (
        <Asked ask={["step-code"]} submit={w.confirm} onSubmit={confirm}>
          <Telephone enrolment={begun.value} />
        </Asked>
      ) : now === null ? null : !now.on ? (
        <Asked ask={["own-password"]} submit={w.begin} onSubmit={begin} />
      ) : (
        <>
          <Fold summary={w.newCodes} testid="new-codes">
            <Asked ask={["own-password", "step-code"]} submit={w.newCodesMake} onSubmit={renew}>
              <p class="quiet">{w.newCodesHelp}</p>
            </Asked>
          </Fold>
          {now.required ? (
            <p class="quiet">{w.stepRequired}</p>
          ) : (
            <Fold summary={w.stepRemove} testid="remove-step">
              <Asked ask={["own-password"]} submit={w.remove} kind="" onSubmit={remove} />
            </Fold>
          )}
        </>
      )}
    </section>
  );
}

/** One of several things that can be done; made when it is opened, so that a page has one field of a name. */
function Fold(props: { summary: string; testid: string; children: ComponentChildren }) {
  const open = useSignal(false);
  return (
    <details
      class="fold"
      onToggle={(event) => {
        open.value = event.currentTarget.open;
      }}
    >
      <summary data-testid={props.testid}>{props.summary}</summary>
      {open.value && props.children}
    </details>
  );
}

/** What the telephone reads, or the person types into it. */
function Telephone({ enrolment }: { enrolment: Enrolment }) {
  const w = words.value.account;
  return (
    <>
      <p>{w.scan}</p>
      <svg class="qr" viewBox={`0 0 ${enrolment.size} ${enrolment.size}`} role="img" aria-label={w.picture}>
        <rect class="qr-ground" width={enrolment.size} height={enrolment.size} />
        <path class="qr-marks" d={enrolment.picture} />
      </svg>
      <p>
        {w.typed} <code data-testid="step-secret">{enrolment.secret.replace(/(.{4})(?=.)/g, "$1 ")}</code>
      </p>
    </>
  );
}

function Recovery({ codes, onDone }: { codes: readonly string[]; onDone: () => void }) {
  const w = words.value.account;
  return (
    <div class="form">
      <h3>{w.codesTitle}</h3>
      <p>{w.codesHelp}</p>
      <ol class="codes" data-testid="recovery-codes">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ol>
      <button type="button" class="button primary" data-testid="codes-done" onClick={onDone}>
        {w.codesDone}
      </button>
    </div>
  );
}
