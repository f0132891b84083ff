/** What is wrong with the line, the feed or the telephone, in so many words at the top of every page. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { expired, me, stranger } from "../app/session";
import { live, notebook, phone, ring, vault } from "../app/station";
import { clockTime, words } from "../i18n";
import { ringsUnheard } from "../listener/mode";
import type { NotesDraft, NotesState } from "../notes/draft";
import { Conflict, NotesStateLine } from "../notes/NotesState";
import { SignInForm } from "../signin/SignInForm";
import { Icon } from "./Icon";
import { leave, leaveAfter, stillIn } from "./leaving";

export function Banners() {
  const w = words.value;
  return (
    <div class="banners">
      {stranger.value && <Banner kind="alert">{w.signIn.somebodyElseCall}</Banner>}
      <Confined />
      {expired.value && !stranger.value && !me.value?.ended && (
        <Banner kind="warning">
          <p>{w.signIn.again}</p>
          <SignInForm username={me.value?.username ?? ""} />
        </Banner>
      )}
      <PbxBanner />
      <NotSaving />
      {phone.registration.value === "other-tab" && <Banner kind="warning">{w.phone.otherTabHelp}</Banner>}
      {phone.registration.value === "elsewhere" && (
        <Banner kind="warning" testid="phone-elsewhere">
          <p>{w.phone.elsewhereHelp}</p>
          <button
            type="button"
            class="button small"
            data-testid="take-phone-here"
            onClick={() => void phone.takeHere()}
          >
            {w.phone.takeHere}
          </button>
        </Banner>
      )}
      <MicrophoneBanner />
      <SilentRing />
      <StillIn />
      <Keeping />
      <EarlierNotes />
    </div>
  );
}

/** Somebody who keeps nothing but this conversation is told so, and that nothing is cut off. */
function Confined() {
  const w = words.value.signIn;
  const account = me.value;
  if (!account?.listener || !(account.ended || account.must_enrol)) return null;
  if (expired.value) return account.ended ? <Banner kind="warning">{w.accountGone}</Banner> : null;
  return (
    <Banner kind="warning" testid="only-this-contact">
      {account.ended ? w.accountEnded : w.stepAfterCall}
    </Banner>
  );
}

export function Banner(props: { kind: "alert" | "warning"; testid?: string; children: ComponentChildren }) {
  return (
    <div
      class={`banner banner-${props.kind}`}
      role={props.kind === "alert" ? "alert" : "status"}
      data-testid={props.testid}
    >
      <Icon name="warning" />
      <div>{props.children}</div>
    </div>
  );
}

/** Red when the PBX, or the service's feed, is lost: an empty page must never pass for a quiet day. */
function PbxBanner() {
  const w = words.value.line;
  if (!live.connected.value) {
    // The first connection takes a moment: no alarm before it failed.
    if (!live.failing.value) return null;
    return (
      <Banner kind="alert" testid="pbx-banner">
        {w.feedLost}
      </Banner>
    );
  }
  const troubled = live.lines.value.find((line) => line.state !== "up");
  if (troubled === undefined) return null;
  const sentence = { lost: w.lostLong, refused: w.refusedLong, starting: w.startingLong, up: "" }[troubled.state];
  const since = clockTime(troubled.since);
  return (
    <Banner kind={troubled.state === "starting" ? "warning" : "alert"} testid="pbx-banner">
      {sentence} {since !== null && w.since(since)}
    </Banner>
  );
}

/** What people write is their first worry: said before they type another word, and until it is over. */
function NotSaving() {
  const w = words.value.notes;
  const notice = live.notSaving.value;
  if (notice === null) return null;
  const since = clockTime(notice.since);
  return (
    <Banner kind="alert" testid="not-saving">
      {vault.where.value === "browser" ? w.notSaving : w.notSavingOnPage}{" "}
      {since !== null && words.value.line.since(since)}
    </Banner>
  );
}

function MicrophoneBanner() {
  const w = words.value.phone;
  const trouble = phone.microphone.value;
  if (trouble === null) return null;
  const sentence = {
    refused: w.microphoneRefused,
    missing: w.microphoneMissing,
    busy: w.microphoneBusy,
    insecure: w.microphoneInsecure,
  }[trouble];
  return (
    <Banner kind="alert" testid="microphone-banner">
      {sentence}
    </Banner>
  );
}

/** A ring that nobody hears is a caller who waits. */
function SilentRing() {
  const w = words.value.phone;
  if (!ringsUnheard.value) return null;
  return (
    <Banner kind="warning" testid="ring-silent">
      <p>{w.silent}</p>
      <div class="actions">
        <button
          type="button"
          class="button small"
          data-testid="let-ring"
          onClick={() => void ring.unlock().then(() => ring.chime())}
        >
          {w.letRing}
        </button>
      </div>
    </Banner>
  );
}

/** Signing out did not get through: whoever leaves this machine must know. */
function StillIn() {
  const w = words.value.app;
  if (!stillIn.value) return null;
  const after = leaveAfter.value;
  return (
    <Banner kind="alert" testid="still-in">
      <p>
        {w.stillIn} {after !== null && w.signOutAfter[after]}
      </p>
      <div class="actions">
        <button type="button" class="button small" disabled={after !== null} onClick={() => void leave()}>
          {w.again}
        </button>
      </div>
    </Banner>
  );
}

/** What this browser cannot do for notes that are not saved, and what it no longer has. */
function Keeping() {
  const w = words.value.notes;
  const expired = vault.expired.value;
  return (
    <>
      {vault.where.value === "page" && (
        <Banner kind="warning" testid="notes-page-only">
          {w.pageOnly}
        </Banner>
      )}
      {expired > 0 && (
        <Banner kind="warning" testid="notes-expired">
          <p>{w.expired(expired)}</p>
          <button type="button" class="button small" onClick={() => void vault.understood()}>
            {w.understood}
          </button>
        </Banner>
      )}
    </>
  );
}

/** Notes of calls that are over, not saved yet. */
function EarlierNotes() {
  const w = words.value.notes;
  const now = phone.call.value?.callId ?? live.contact.value?.call_id ?? phone.lastEnded.value?.callId ?? null;
  const earlier = notebook.unsaved.value.filter((draft) => draft.callId !== now);
  if (earlier.length === 0) return null;
  const states = earlier.map((draft) => draft.state.value);
  return (
    <Banner kind="warning" testid="earlier-notes">
      {earlierSentences(states).map((sentence) => (
        <p key={sentence}>{sentence}</p>
      ))}
      <details>
        <summary>{w.earlierShow}</summary>
        {earlier.map((draft) => (
          <EarlierText key={draft.callId} draft={draft} />
        ))}
      </details>
    </Banner>
  );
}

/** What becomes of them by itself, and what waits for the person. */
function earlierSentences(states: readonly NotesState[]): string[] {
  const w = words.value.notes;
  const sentences: string[] = [];
  if (states.includes("conflict")) sentences.push(w.earlierConflict);
  if (states.includes("refused")) sentences.push(w.earlierRefused);
  if (states.some((state) => state !== "conflict" && state !== "refused"))
    sentences.push(vault.where.value === "browser" ? w.earlier : w.earlierOnPage);
  return sentences;
}

/** Erased by its owner alone, in two steps: a text that the service will never take would wait here for ever. */
function EarlierText({ draft }: { draft: NotesDraft }) {
  const w = words.value.notes;
  const asking = useSignal(false);
  const ask = (value: boolean) => () => {
    asking.value = value;
  };
  return (
    <section class="earlier-text" aria-label={w.title}>
      <NotesStateLine draft={draft} />
      <p class="stored-text">{draft.text.value}</p>
      <Conflict draft={draft} />
      <div class="actions">
        {draft.state.value === "refused" && (
          <button type="button" class="button small" data-testid="send-again" onClick={() => void draft.flush()}>
            {w.sendAgain}
          </button>
        )}
        {asking.value ? (
          <>
            <button type="button" class="button small" onClick={ask(false)}>
              {w.eraseKeep}
            </button>
            <button type="button" class="button small" onClick={() => draft.abandon()}>
              {w.eraseSure}
            </button>
          </>
        ) : (
          <button type="button" class="button small quiet-button" onClick={ask(true)}>
            {w.erase}
          </button>
        )}
      </div>
    </section>
  );
}
