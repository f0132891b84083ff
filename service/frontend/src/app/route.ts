/** Which page: kept in the address after `#/`, so that the service serves one file. */

import { signal } from "@preact/signals";
import type { Me } from "../api/types";

export type PageName = "listen" | "board" | "account";

export const route = signal<PageName | "">(read());

window.addEventListener("hashchange", () => {
  route.value = read();
});

function read(): PageName | "" {
  const name = window.location.hash.replace(/^#\//, "");
  return name === "listen" || name === "board" || name === "account" ? name : "";
}

/** The pages of somebody's work; their account's own page is everybody's, and is reached by their name. */
export function pagesOf(account: Me): (PageName | "")[] {
  const pages: PageName[] = [];
  if (account.listener) pages.push("listen");
  if (account.roles.includes("supervisor")) pages.push("board");
  return pages;
}
