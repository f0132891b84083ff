/** How old one tile is, in words: a tile may be looked at alone. */

import { words } from "../i18n";
import { ageing } from "./age";
import { ageNow } from "./freshness";

/** `ofPbx` false: what the tile shows is the service's own word. */
export function TileAge({ ofPbx = true }: { ofPbx?: boolean }) {
  return (
    <p class="tile-age" data-testid="tile-age">
      {ageing(ageNow(ofPbx), words.value.board)}
    </p>
  );
}
