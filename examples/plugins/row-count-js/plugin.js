// The twelve-line plugin of the README in JavaScript: all of it but plugin.toml. Easily got wrong: an array of numbers would be
// float64; `int64` makes it a count.

// README: begin
import { definePlugin, int64, table } from "@plugwork/guest";

class RowCount {
  static summary = "Counts rows.";
  rows = 0;
  push(batch) { this.rows += batch.rows; }
  finish() { return { counts: table({ rows: int64([this.rows]) }) }; }
}

export default definePlugin({ analyzer: RowCount });
// README: end
