// One column in the Arrow layout, read: typed views of its buffers and the values as JavaScript knows them.
// Not here: making columns from JavaScript values (build.js). Easily got wrong: a null row still has a value in
// `values` (any), so a loop over `values` asks `validity` or uses `numbers()`, where a null is NaN.

import { meaning } from "./format.js";
import { Refusal } from "./refusal.js";
import { decodeAll } from "./utf8.js";

/** A column; made by `table`, by the builders of build.js, or from a batch that came in. Never changed once made. */
export class Column {
  #meaning;
  #nulls = -1;
  #texts = null;
  #numbers = null;

  /** Buffers must already have the lengths that `rows` and `format` ask for: see `fromWit`. */
  constructor({ name = "", format, rows, values, offsets = null, validity = null }) {
    this.name = name;
    this.format = format;
    this.rows = rows;
    this.values = values;
    this.offsets = offsets;
    this.validity = validity;
    this.#meaning = meaning(format);
  }

  /** The column of a batch that came in, or a Refusal when a buffer has the wrong length. */
  static fromWit(rows, { name, format, validity, offsets, values }) {
    const means = meaning(format);
    const refuse = (what, expected) => Refusal.invalid({ what, at: `column ${JSON.stringify(name)}`, expected });
    if (!means) throw refuse(`format \`${format}\` is not known`, "a flat Arrow format of `plugwork:table/types`");
    const bits = (rows + 7) >> 3;
    if (validity != null && validity.length !== bits) {
      throw refuse(`validity has ${validity.length} bytes for ${rows} rows`, `${bits} bytes`);
    }
    const sized = { name, format, rows, validity: validity ?? null };
    if (means.kind === "text" || means.kind === "bytes") {
      if (offsets == null || offsets.length !== (rows + 1) * 4) {
        throw refuse(`offsets have ${offsets?.length ?? 0} bytes for ${rows} rows`, `${(rows + 1) * 4} bytes`);
      }
      const ends = view(Int32Array, offsets);
      if (ends[0] !== 0 || ends[rows] !== values.length) {
        throw refuse(`offsets run from ${ends[0]} to ${ends[rows]}`, `from 0 to ${values.length}`);
      }
      return new Column({ ...sized, values, offsets: ends });
    }
    if (offsets != null) throw refuse(`offsets in a column of format \`${format}\``, "none");
    const bytes = means.kind === "boolean" ? bits : rows * means.width;
    if (values.length !== bytes) throw refuse(`values have ${values.length} bytes for ${rows} rows`, `${bytes} bytes`);
    return new Column({ ...sized, values: view(means.array, values) });
  }

  /** The record that crosses the boundary. */
  toWit() {
    return {
      name: this.name,
      format: this.format,
      validity: this.validity,
      offsets: this.offsets && bytesOf(this.offsets),
      values: bytesOf(this.values),
    };
  }

  /** `integer`, `float`, `boolean`, `text`, `bytes`, `date`, `timestamp` or `decimal`. */
  get kind() {
    return this.#meaning.kind;
  }

  /** The time zone's name of a timestamp column, empty for none; undefined for every other kind. */
  get zone() {
    return this.#meaning.zone;
  }

  /** Bytes over all buffers, as the limit of a batch counts them. */
  get byteLength() {
    return this.values.byteLength + (this.offsets?.byteLength ?? 0) + (this.validity?.byteLength ?? 0);
  }

  /** How many rows are null. */
  get nulls() {
    if (this.#nulls < 0) {
      this.#nulls = 0;
      if (this.validity) for (let row = 0; row < this.rows; row++) this.#nulls += this.isNull(row) ? 1 : 0;
    }
    return this.#nulls;
  }

  /** Whether `row` has no value. */
  isNull(row) {
    return this.validity !== null && ((this.validity[row >> 3] >> (row & 7)) & 1) === 0;
  }

  /**
   * The value of one row: number, boolean, string, Uint8Array, Date (dates and timestamps, cut to milliseconds), string
   * (decimals), or null. A 64-bit integer is a number where that is exact and a BigInt where it is not.
   */
  get(row) {
    if (!(row >= 0 && row < this.rows)) throw new RangeError(`row ${row} of ${this.rows}`);
    if (this.isNull(row)) return null;
    const { kind, milliseconds } = this.#meaning;
    switch (kind) {
      case "boolean":
        return ((this.values[row >> 3] >> (row & 7)) & 1) === 1;
      case "text":
        return this.texts()[row];
      case "bytes":
        return this.values.slice(this.offsets[row], this.offsets[row + 1]);
      case "decimal":
        return decimalText(this.#unscaled(row), this.#meaning.scale);
      case "date":
      case "timestamp":
        return new Date(wholeMilliseconds(this.values[row], milliseconds));
      default:
        return typeof this.values[row] === "bigint" ? exact(this.values[row]) : this.values[row];
    }
  }

  /** Every row's `get`. */
  toArray() {
    return Array.from({ length: this.rows }, (_, row) => this.get(row));
  }

  /**
   * The values of a numeric column (integer, float, boolean as 0 and 1, decimal) as float64, NaN for null. Integers
   * beyond 2^53 are rounded. The same array at every call, and of a float64 column without nulls it is `values` itself:
   * do not write to it.
   */
  numbers() {
    if (this.#numbers) return this.#numbers;
    const { kind, scale } = this.#meaning;
    let numbers;
    if (kind === "float" || kind === "integer") {
      numbers = this.format === "g" ? this.values : toFloat64(this.values);
    } else if (kind === "boolean") {
      numbers = Float64Array.from({ length: this.rows }, (_, row) => (this.values[row >> 3] >> (row & 7)) & 1);
    } else if (kind === "decimal") {
      numbers = Float64Array.from({ length: this.rows }, (_, row) => Number(decimalText(this.#unscaled(row), scale)));
    } else {
      throw this.#not("a numeric column");
    }
    this.#numbers = this.#withNaN(numbers);
    return this.#numbers;
  }

  /** Milliseconds since 1970-01-01 of a date or timestamp column, NaN for null; as `numbers` otherwise. */
  milliseconds() {
    if (this.#numbers) return this.#numbers;
    const { kind, milliseconds } = this.#meaning;
    if (kind !== "date" && kind !== "timestamp") throw this.#not("a date or timestamp column");
    const counts = toFloat64(this.values);
    if (milliseconds !== 1) {
      // Divided, not multiplied by a fraction: 1/1000 has no exact float64.
      const divisor = milliseconds < 1 ? Math.round(1 / milliseconds) : 0;
      for (let row = 0; row < counts.length; row++) counts[row] = divisor ? counts[row] / divisor : counts[row] * milliseconds;
    }
    this.#numbers = this.#withNaN(counts);
    return this.#numbers;
  }

  /** The texts of a text column, null for null. The same array at every call. */
  texts() {
    if (this.#texts) return this.#texts;
    if (this.kind !== "text") throw this.#not("a text column");
    const texts = decodeAll(this.values, this.offsets);
    if (this.validity) for (let row = 0; row < this.rows; row++) if (this.isNull(row)) texts[row] = null;
    this.#texts = texts;
    return texts;
  }

  /** The same column under another name. */
  named(name) {
    return name === this.name ? this : new Column({ ...this, name });
  }

  #unscaled(row) {
    return (BigInt.asIntN(64, this.values[2 * row + 1]) << 64n) | this.values[2 * row];
  }

  #withNaN(numbers) {
    if (!this.validity || this.nulls === 0) return numbers;
    const own = numbers === this.values ? numbers.slice() : numbers;
    for (let row = 0; row < this.rows; row++) if (this.isNull(row)) own[row] = NaN;
    return own;
  }

  #not(expected) {
    const what = `it is a ${this.kind} column (format \`${this.format}\`)`;
    return Refusal.invalid({ what, at: `column ${JSON.stringify(this.name)}`, expected });
  }
}

/** `bytes` seen as `array`; copied when the engine or a caller placed them where such a view is not allowed. */
function view(array, bytes) {
  if (array === Uint8Array) return bytes;
  const aligned = bytes.byteOffset % array.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
  return new array(aligned.buffer, aligned.byteOffset, aligned.byteLength / array.BYTES_PER_ELEMENT);
}

function bytesOf(array) {
  return array instanceof Uint8Array ? array : new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function toFloat64(values) {
  const is64 = values instanceof BigInt64Array || values instanceof BigUint64Array;
  return is64 ? Float64Array.from(values, Number) : new Float64Array(values);
}

function exact(value) {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Cut towards the past; in BigInts, because nanoseconds of today are beyond 2^53. */
function wholeMilliseconds(count, milliseconds) {
  if (milliseconds >= 1) return Number(count) * milliseconds;
  const divisor = BigInt(Math.round(1 / milliseconds));
  const quotient = count / divisor;
  return Number(count % divisor < 0n ? quotient - 1n : quotient);
}

function decimalText(unscaled, scale) {
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, "0");
  const sign = unscaled < 0n ? "-" : "";
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}
