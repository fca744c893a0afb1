// Tables: named columns of equal length, however many rows, and how one is cut into the batches of the contract.
// Not here: columns (column.js) and their making (build.js). Easily got wrong: a table is never changed; `with`,
// `select` and `filter` answer a new one that shares the buffers.

import { columnOf, infer } from "./build.js";
import { Column } from "./column.js";
import { limits, meaning } from "./format.js";
import { Refusal, wellFormed } from "./refusal.js";
import { encodedLength } from "./utf8.js";

/** Named columns of equal length. A batch that comes in is one, and what a plugin answers is one (of any length). */
export class Table {
  #byName = new Map();

  /** @param {number} rows @param {Column[]} columns each with its name */
  constructor(rows, columns) {
    this.rows = rows;
    this.columns = columns;
    for (const column of columns) {
      if (column.rows !== rows) {
        throw new TypeError(`column \`${column.name}\` has ${column.rows} rows where the table has ${rows}`);
      }
      if (this.#byName.has(column.name)) throw new TypeError(`two columns are named \`${column.name}\``);
      this.#byName.set(column.name, column);
    }
  }

  /** The table of a batch that came in, or a Refusal when its buffers have the wrong lengths. */
  static fromWit({ rows, columns }) {
    return new Table(rows, columns.map((column) => Column.fromWit(rows, column)));
  }

  /** Column names, in order. */
  get names() {
    return this.columns.map((column) => column.name);
  }

  /** Whether there is a column of that name. */
  has(name) {
    return this.#byName.has(name);
  }

  /** The column of that name; a Refusal that lists the names there are when there is none. */
  column(name) {
    const column = this.#byName.get(name);
    if (column) return column;
    const names = this.names.slice(0, 20).map((known) => `\`${known}\``).join(", ");
    throw Refusal.invalid({ what: `there is no column \`${name}\``, at: `column ${JSON.stringify(name)}`, expected: `one of ${names || "none"}` });
  }

  /** With these columns added, or replaced where the name is there already. */
  with(columns) {
    const added = new Map(named(columns));
    const kept = this.columns.map((column) => {
      const replaced = added.get(column.name) ?? column;
      added.delete(column.name);
      return replaced;
    });
    return new Table(this.rows, [...kept, ...added.values()]);
  }

  /** Only these columns, in this order. */
  select(...names) {
    return new Table(this.rows, names.flat().map((name) => this.column(name)));
  }

  /** All columns but these. */
  without(...names) {
    const gone = new Set(names.flat());
    return new Table(this.rows, this.columns.filter((column) => !gone.has(column.name)));
  }

  /** The rows for which `keep(row number)` is true. */
  filter(keep) {
    const rows = [];
    for (let row = 0; row < this.rows; row++) if (keep(row)) rows.push(row);
    return this.take(rows);
  }

  /** The rows of these numbers, in this order. */
  take(rows) {
    const columns = this.columns.map((column) => {
      const { name, format, values } = column;
      const { kind, width } = meaning(format);
      if (kind === "integer" || kind === "float" || kind === "date" || kind === "timestamp") {
        const taken = new values.constructor(rows.length);
        for (let at = 0; at < taken.length; at++) taken[at] = values[rows[at]];
        return new Column({ name, format, rows: rows.length, values: taken, validity: takeBits(column.validity, rows) });
      }
      if (kind === "decimal") {
        const words = width / 8;
        const taken = new BigUint64Array(rows.length * words);
        for (let at = 0; at < rows.length; at++) taken.set(values.subarray(rows[at] * words, (rows[at] + 1) * words), at * words);
        return new Column({ name, format, rows: rows.length, values: taken, validity: takeBits(column.validity, rows) });
      }
      return columnOf(format, Array.from(rows, (row) => column.get(row))).named(name);
    });
    return new Table(rows.length, columns);
  }

  /** Rows `start` to `end` (exclusive). */
  slice(start, end = this.rows) {
    const stop = Math.min(end, this.rows);
    if (start === 0 && stop === this.rows) return this;
    return new Table(stop - start, this.columns.map((column) => sliced(column, start, stop)));
  }

  /** One plain object for each row, with the values of `Column.get`. */
  toRows() {
    const columns = this.columns.map((column) => [column.name, column.toArray()]);
    return Array.from({ length: this.rows }, (_, row) => Object.fromEntries(columns.map(([name, values]) => [name, values[row]])));
  }

  /** The table in parts that fit the limits of a batch; one part without rows where there are none. */
  *batches() {
    if (this.rows === 0) yield this;
    for (let start = 0; start < this.rows; ) {
      let end = Math.min(start + limits.rows, this.rows);
      let part = this.slice(start, end);
      while (part.byteLength > limits.bytes) {
        if (end - start === 1) {
          throw new RangeError(`row ${start} alone has ${part.byteLength} bytes, more than the ${limits.bytes} of a batch`);
        }
        // Kept a multiple of 8 where it can be, so that bits are cut at whole bytes.
        const half = (end - start) >> 1;
        end = start + (half > 8 ? half & ~7 : half);
        part = this.slice(start, end);
      }
      yield part;
      start = end;
    }
  }

  /** Bytes over all buffers. */
  get byteLength() {
    return this.columns.reduce((sum, column) => sum + column.byteLength, 0);
  }

  /** Names and formats as one text: equal for the batches of one table. */
  get shape() {
    return this.columns.map((column) => `${JSON.stringify(column.name)} ${column.format}`).join(", ");
  }

  /** The record that crosses the boundary; must be within the limits of a batch. */
  toWit() {
    if (this.rows > limits.rows || this.columns.length > limits.columns || this.byteLength > limits.bytes) {
      throw new RangeError(
        `a batch of ${this.rows} rows, ${this.columns.length} columns and ${this.byteLength} bytes; ` +
          `at most ${limits.rows}, ${limits.columns} and ${limits.bytes} may be answered`,
      );
    }
    return { rows: this.rows, columns: this.columns.map((column) => column.toWit()) };
  }
}

/**
 * A table from columns by name: `table({ magnitude: Float64Array.of(1, 2), place: ["a", null] })`. What may stand for a
 * column is said at `infer`. Give pairs (`[["1990", …]]`) for names that are whole numbers: objects reorder those.
 */
export function table(columns) {
  const all = named(columns).map(([, column]) => column);
  return new Table(all[0]?.rows ?? 0, all);
}

/** A table from plain rows: `tableFromRows({ place: "u", magnitude: "g" }, rows)`; a missing field is null. */
export function tableFromRows(formats, rows) {
  const entries = Object.entries(formats);
  return new Table(rows.length, entries.map(([name, format]) => checkedName(name, columnOf(format, rows.map((row) => row[name])))));
}

function named(columns) {
  const pairs = typeof columns[Symbol.iterator] === "function" ? [...columns] : Object.entries(columns);
  return pairs.map(([name, values]) => [name, checkedName(name, infer(values, name))]);
}

function checkedName(name, column) {
  const length = encodedLength(wellFormed(name));
  if (length === 0 || length > limits.nameBytes) throw new TypeError(`a column name has 1 to ${limits.nameBytes} bytes, not ${length}`);
  return column.named(wellFormed(name));
}

function sliced(column, start, end) {
  const { name, format } = column;
  const { kind, width, array } = meaning(format);
  const rows = end - start;
  const validity = column.validity && bits(column.validity, start, end);
  if (kind === "boolean") return new Column({ name, format, rows, values: bits(column.values, start, end), validity });
  if (column.offsets) {
    const base = column.offsets[start];
    const offsets = column.offsets.slice(start, end + 1);
    if (base) for (let at = 0; at < offsets.length; at++) offsets[at] -= base;
    return new Column({ name, format, rows, values: column.values.subarray(base, column.offsets[end]), offsets, validity });
  }
  const words = width / array.BYTES_PER_ELEMENT;
  return new Column({ name, format, rows, values: column.values.subarray(start * words, end * words), validity });
}

function bits(source, start, end) {
  if (start % 8 === 0 && end % 8 === 0) return source.subarray(start >> 3, end >> 3);
  const cut = new Uint8Array((end - start + 7) >> 3);
  for (let row = start; row < end; row++) {
    if ((source[row >> 3] >> (row & 7)) & 1) cut[(row - start) >> 3] |= 1 << ((row - start) & 7);
  }
  return cut;
}

function takeBits(validity, rows) {
  if (!validity) return null;
  const taken = new Uint8Array((rows.length + 7) >> 3);
  for (let at = 0; at < rows.length; at++) {
    if ((validity[rows[at] >> 3] >> (rows[at] & 7)) & 1) taken[at >> 3] |= 1 << (at & 7);
  }
  return taken;
}
