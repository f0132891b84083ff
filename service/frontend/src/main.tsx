/** Where the pages begin. */

import { render } from "preact";
import { App } from "./app/App";
import { recall } from "./app/session";
import { run } from "./app/station";
import "./app/theme";
import { watchWindow } from "./app/window";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/shell.css";
import "./styles/listener.css";
import "./styles/board.css";
import "./styles/account.css";

const root = document.getElementById("app");
if (root !== null) {
  render(<App />, root);
  run();
  watchWindow();
  void recall();
}
