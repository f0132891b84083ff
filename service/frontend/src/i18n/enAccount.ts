/** Signing in, and one's own account: in English. */

import type { Dictionary } from "./fr";

export const signIn: Dictionary["signIn"] = {
  title: "Welcome",
  intro: "Sign in to join the line.",
  username: "User name",
  password: "Password",
  submit: "Sign in",
  show: "Show the password",
  wrong: "The user name or the password does not match. Check capital letters, then try again.",
  tooMany: (minutes: number) =>
    minutes === 1
      ? "Too many attempts. Try again in a minute."
      : `Too many attempts. Try again in ${minutes} minutes, or ask the person who administers the line for a new password.`,
  tooManyHere: (minutes: number) =>
    `Too many attempts were made from your internet connection, perhaps by other people. Try again in ${minutes === 1 ? "a minute" : `${minutes} minutes`}.`,
  unreachable: "The service does not answer. Try again in a moment; calls go on without it.",
  accountEnded:
    "Your account was closed. Nothing is cut off: this call and its notes are yours until you end your writing-up. No other call will be offered to you.",
  accountGone: "Your account is closed. Thank you for listening.",
  accountGoneHelp: "If this is a mistake, speak to whoever administers the line.",
  stepAfterCall:
    "Your role now asks for a second step of signing in. Finish this call and its notes in peace; you will set it up afterwards, before the next calls.",
  again: "Your sign-in has expired. The call goes on; sign in again so that your notes can be saved.",
  somebodyElse:
    "Somebody else signed in in this browser. This page has stopped; notes that were not saved stay sealed here for the person who wrote them.",
  somebodyElseCall:
    "Somebody else signed in in this browser. Your call goes on; notes that are not saved stay sealed here for you.",
  somebodyElseGoOn: "Go on",
  wrongAddress: "This is not the address of the line: open the one that the administrator gave you.",
  failed: "Signing in did not work. Try again.",
  code: "Six-digit code",
  codeHelp:
    "Open the code application on your telephone and copy the code that it shows. A recovery code will do as well.",
  codeWrong: "This code does not match, or was used already. Wait for the next one, then try again.",
  codeBack: "Back to the user name",
};

export const account: Dictionary["account"] = {
  title: "My account",
  stepTitle: "Second step of signing in",
  stepWhy:
    "With it, your password alone opens nothing any more: a code from your telephone is asked for as well. Any code application will do, that of your password manager for instance.",
  stepMustEnrol: "Your role asks for this second step. Set it up now: your pages open afterwards.",
  stepPresent:
    "Your role asks for your second step, and this browser has not shown it yet. Sign in once more, with your code: your pages open then.",
  stepOn: "It is set up.",
  stepOff: "It is not set up.",
  stepRequired: "Your role asks for it: it cannot be removed.",
  codesLeft: (count: number) =>
    count === 0 ? "You have no recovery code left: ask for new ones below." : `Recovery codes left: ${count}.`,
  ownPassword: "Your password",
  begin: "Set it up",
  remove: "Remove it",
  scan: "Read this picture with the code application on your telephone.",
  picture: "Picture to be read with the code application",
  typed: "Or type this key into the application:",
  code: "Code that the application shows",
  confirm: "Check and switch on",
  codesTitle: "Your recovery codes",
  codesHelp:
    "Write them on paper and keep them away from your telephone. Each stands in once for the code, should the telephone be lost. They are not shown again.",
  codesDone: "I have written them down",
  newCodes: "New recovery codes…",
  newCodesHelp: "Ten new codes will take the place of the old ones, which will hold no more.",
  newCodesMake: "Replace my codes",
  stepRemove: "Remove this step…",
  wrongPassword: "That is not your password. Try again.",
  wrongCode: "This code does not match. Take the one that is shown now.",
  tooMany: (minutes: number) =>
    minutes === 1 ? "Too many attempts. Try again in a minute." : `Too many attempts. Try again in ${minutes} minutes.`,
  failed: "The request did not go through. Try again.",
  eventsTitle: "What happened to your account",
  eventsHelp: "The last thirty days. If something was not you, sign out the other browsers and ask for a new password.",
  noEvents: "Nothing yet.",
  refusedCount: (count: number) =>
    count === 1
      ? "1 sign-in to your account was refused in the last thirty days."
      : `${count} sign-ins to your account or more were refused in the last thirty days.`,
  events: {
    "account.changed": "You were given a new password; all your sessions ended.",
    "account.made": "Your account was made.",
    "account.returned": "Your account was opened again.",
    "code.refused":
      "A wrong code was typed after your right password. If it was not you, somebody knows your password: ask for a new one.",
    "recovery-code.used": "One of your recovery codes was used.",
    "recovery-codes.made": "New recovery codes were made; those from before hold no more.",
    "second-step.asked": "Your role now asks for the second step: sessions from before have to show it.",
    "second-step.removed": "Your second step was removed.",
    "second-step.set": "Your second step was set up.",
    "sessions.ended": "Sessions ended.",
    "sign-in.refused": "A sign-in was refused: the password was wrong.",
    "signed-in": "Signed in.",
    "signed-out": "Signed out.",
    "token.replayed":
      "An old key of a session was presented: perhaps a copy of your browser. To be safe that session ends, never in the middle of a conversation.",
  },
  byMe: "by you",
  byService: "by the administration or the service",
  sessionsTitle: "Where you are signed in",
  sessionsHelp: "If you do not recognise one, end it and ask for a new password. A call that goes on is never cut.",
  here: "This browser",
  elsewhere: "Another browser",
  withPhone: "with your phone",
  since: (made: string, used: string) => `Signed in on ${made}, last active on ${used}`,
  end: "Sign out there",
  endOthers: "Sign out everywhere else",
};
