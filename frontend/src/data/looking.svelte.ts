/* What is looked at of what came of a search, so that a script can do it again. */
import type { RowWhy } from "../messages";

export class Looking {
  /** The row filled in by hand, once it is. */
  values = $state.raw<Record<string, string | null> | null>(null);
  /** A row whose values are to be tried out. */
  tried = $state.raw<Record<string, string | null> | null>(null);
  /** The row that is followed, with the number that was asked for. */
  path = $state.raw<RowWhy | null>(null);
}
