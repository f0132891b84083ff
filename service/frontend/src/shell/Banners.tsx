import type { ComponentChildren } from "preact";
import { expired, me } from "../app/session";
import { live, notebook, phone } from "../app/station";
import { clockTime, words } from "../i18n";
import { SignInForm } from "../signin/SignInForm";
import { Icon } from "./Icon";

export function Banners() {
  const w = words.value;
  return (
    <div class="banners">
      {expired.value && (
        <Banner kind="warning">
          <p>{w.signIn.again}</p>
          <SignInForm username={me.value?.username ?? ""} />
        </Banner>
      )}
      <PbxBanner />
      {phone.registration.value === "other-tab" && <Banner kind="warning">{w.phone.otherTabHelp}</Banner>}
      <MicrophoneBanner />
      <EarlierNotes />
    </div>
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

/** Notes of calls that are over, still on this page only. */
function EarlierNotes() {
  const w = words.value.notes;
  const now = phone.call.value?.callId ?? live.contact.value?.call_id ?? phone.lastEnded.value?.callId ?? null;
  const earlier = notebook.unsaved.value.filter((draft) => draft.callId !== now);
  if (earlier.length === 0) return null;
  return (
    <Banner kind="warning" testid="earlier-notes">
      <p>{w.earlier}</p>
      <details>
        <summary>{w.earlierShow}</summary>
        {earlier.map((draft) => (
          <p key={draft.callId} class="stored-text">
            {draft.text.value}
          </p>
        ))}
      </details>
    </Banner>
  );
}
