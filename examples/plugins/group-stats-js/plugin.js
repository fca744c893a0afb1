// The analyzer: which columns are keys and which are measured, and the table at the end. Not here: the loop over the
// rows (statistics.js). Easily got wrong: a value that is not finite counts as null, as in `group-stats`.

import { columnOf, definePlugin, float64, Groups, int64, Refusal, table, texts } from "@plugwork/guest";
import { Measure } from "./statistics.js";

const reserved = ["column", "rows", "count", "nulls", "mean", "minimum", "maximum", "sum"];
const keyKinds = ["text", "integer", "float", "boolean", "date", "timestamp", "decimal"];

class GroupStats {
  static summary = "Count, nulls, mean, minimum, maximum and sum of numeric columns, for each group of rows.";
  static options = {
    type: "object",
    additionalProperties: false,
    properties: {
      by: {
        type: "array", items: { type: "string" }, maxItems: 8, uniqueItems: true, default: [],
        description: "Columns whose values make the groups; none: the whole table is one group.",
      },
      values: {
        type: "array", items: { type: "string" }, minItems: 1, maxItems: 256, uniqueItems: true,
        description: "Columns to measure; default: every numeric column that is not in `by`.",
      },
      "groups-max": { type: "integer", minimum: 1, maximum: 65_536, default: 4096, description: "More groups than this are refused." },
    },
  };

  #keys = null;
  #measures = null;
  #rows = [];

  constructor(options) {
    this.options = options;
    const clash = options.by.findIndex((name) => reserved.includes(name));
    if (clash >= 0) {
      throw Refusal.invalid({ what: `\`${options.by[clash]}\` is also a column of the result`, at: `/by/${clash}`, expected: "another name" });
    }
  }

  push(batch) {
    this.#measures ??= this.#names(batch).map((name) => new Measure(name));
    this.#keys ??= this.options.by.map((name) => this.#key(batch.column(name)));
    const groups = this.#groups(batch);
    const tally = new Int32Array(this.#groupCount());
    for (const group of groups) tally[group]++;
    let group = 0;
    for (const rows of tally) {
      this.#rows[group] = (this.#rows[group] ?? 0) + rows;
      group++;
    }
    for (const measure of this.#measures) measure.add(batch.column(measure.name).numbers(), groups, tally);
  }

  finish() {
    const measures = this.#measures ?? [];
    // Without `by` there is a group even for a table without rows.
    const groups = Array.from(this.#rows.keys()).filter((group) => this.#rows[group] > 0);
    const every = (cell) => groups.flatMap((group) => measures.map((measure) => cell(measure, group)));
    const keys = (this.#keys ?? []).map(({ name, format }, at) => [name, columnOf(format, every((_, group) => this.#keyOf(group, at)))]);
    return {
      statistics: table([
        ...keys,
        ["column", texts(every((measure) => measure.name))],
        ["rows", int64(every((_, group) => this.#rows[group]))],
        ["count", int64(every((measure, group) => measure.counts[group]))],
        ["nulls", int64(every((measure, group) => this.#rows[group] - measure.counts[group]))],
        ["mean", float64(every((measure, group) => measure.mean(group)))],
        ["minimum", float64(every((measure, group) => measure.minimum(group)))],
        ["maximum", float64(every((measure, group) => measure.maximum(group)))],
        ["sum", float64(every((measure, group) => measure.sum(group)))],
      ]),
    };
  }

  #names(batch) {
    const numeric = batch.columns.filter((column) => ["integer", "float", "decimal"].includes(column.kind)).map((column) => column.name);
    const names = this.options.values ?? numeric.filter((name) => !this.options.by.includes(name));
    if (names.length === 0) throw Refusal.invalid({ what: "no column is numeric", at: "/values", expected: "a table with a numeric column" });
    return names;
  }

  #key(column) {
    if (!keyKinds.includes(column.kind)) {
      throw Refusal.invalid({ what: `cannot group by ${column.kind}`, at: `column ${JSON.stringify(column.name)}`, expected: keyKinds.join(", ") });
    }
    return { name: column.name, format: column.format, values: new Groups({ max: this.options["groups-max"] }), pairs: new Map(), parts: [] };
  }

  /** Column by column: each turns into numbers of distinct values, and two columns of numbers into one. */
  #groups(batch) {
    let groups = null;
    for (const { name, values, pairs, parts } of this.#keys) {
      const own = values.number(batch.column(name));
      groups = groups === null ? own : groups.map((group, row) => this.#pair(pairs, parts, group, own[row]));
    }
    return groups ?? new Int32Array(batch.rows);
  }

  #groupCount() {
    const last = this.#keys.at(-1);
    return last === undefined ? 1 : this.#keys.length === 1 ? last.values.count : last.parts.length;
  }

  #pair(pairs, parts, left, right) {
    const pair = left * 65_536 + right;
    let group = pairs.get(pair);
    if (group === undefined) {
      group = parts.length;
      if (group === this.options["groups-max"]) {
        throw Refusal.invalid({ what: `more than ${group} groups`, at: "/groups-max", expected: "a higher limit, or fewer columns in `/by`" });
      }
      pairs.set(pair, group);
      parts.push([left, right]);
    }
    return group;
  }

  /** The value of the key column `at` in `group`, found by taking the pairs apart from the last to the first. */
  #keyOf(group, at) {
    for (let column = this.#keys.length - 1; column > 0; column--) {
      const [left, right] = this.#keys[column].parts[group];
      if (column === at) return this.#keys[at].values.keys[right];
      group = left;
    }
    return this.#keys[0].values.keys[group];
  }
}

export default definePlugin({ analyzer: GroupStats });
