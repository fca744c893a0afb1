// Columns made from JavaScript values: one function for each kind, and `columnOf` that picks one.
// Not here: tables (table.js). Easily got wrong: an array of numbers is float64 unless said otherwise, because whether
// a batch happens to hold whole numbers must not change the type of a column.

import { Column } from "./column.js";
import { meaning } from "./format.js";
import { encode, encodedLength } from "./utf8.js";

const integerRanges = {
  c: [-128, 127],
  C: [0, 255],
  s: [-32768, 32767],
  S: [0, 65535],
  i: [-2147483648, 2147483647],
  I: [0, 4294967295],
};
const formatsByArray = new Map([
  [Int8Array, "c"], [Uint8Array, "C"], [Uint8ClampedArray, "C"], [Int16Array, "s"], [Uint16Array, "S"],
  [Int32Array, "i"], [Uint32Array, "I"], [BigInt64Array, "l"], [BigUint64Array, "L"], [Float32Array, "f"], [Float64Array, "g"],
]);

export const int8 = (values) => integers("c", values);
export const uint8 = (values) => integers("C", values);
export const int16 = (values) => integers("s", values);
export const uint16 = (values) => integers("S", values);
export const int32 = (values) => integers("i", values);
export const uint32 = (values) => integers("I", values);
export const int64 = (values) => wide("l", values);
export const uint64 = (values) => wide("L", values);
export const float32 = (values) => floats("f", values);
export const float64 = (values) => floats("g", values);

/** Text; null and undefined are null. */
export function texts(values) {
  const validity = validityOf(values);
  const all = validity ? Array.from(values, (value) => value ?? "") : values;
  // One conversion for the whole column; a surrogate pair split over two rows would be joined by it, so each row is
  // made well formed first where any character is beyond ASCII.
  const joined = Array.prototype.join.call(all, "");
  const offsets = new Int32Array(all.length + 1);
  const ascii = !/[^\x00-\x7f]/.test(joined);
  for (let row = 0, end = 0; row < all.length; row++) {
    if (typeof all[row] !== "string") throw wrong("text", row, all[row]);
    end += ascii ? all[row].length : encodedLength(all[row]);
    offsets[row + 1] = end;
  }
  const bytes = encode(ascii ? joined : Array.from(all, (text) => text.toWellFormed()).join(""));
  return new Column({ format: "u", rows: all.length, values: bytes, offsets, validity });
}

/** Byte strings (Uint8Array); null and undefined are null. */
export function blobs(values) {
  const validity = validityOf(values);
  const offsets = new Int32Array(values.length + 1);
  for (let row = 0; row < values.length; row++) {
    if (values[row] != null && !(values[row] instanceof Uint8Array)) throw wrong("bytes", row, values[row]);
    offsets[row + 1] = offsets[row] + (values[row]?.length ?? 0);
  }
  const bytes = new Uint8Array(offsets[values.length]);
  values.forEach((value, row) => value && bytes.set(value, offsets[row]));
  return new Column({ format: "z", rows: values.length, values: bytes, offsets, validity });
}

/** Booleans; null and undefined are null. */
export function booleans(values) {
  const bits = new Uint8Array((values.length + 7) >> 3);
  for (let row = 0; row < values.length; row++) {
    if (values[row] != null && typeof values[row] !== "boolean") throw wrong("boolean", row, values[row]);
    if (values[row]) bits[row >> 3] |= 1 << (row & 7);
  }
  return new Column({ format: "b", rows: values.length, values: bits, validity: validityOf(values) });
}

/** Calendar days, from Dates, ISO 8601 texts or milliseconds since 1970-01-01 (cut to the day in UTC); null, undefined and NaN are null. */
export function dates(values) {
  return times("tdD", values);
}

/**
 * Moments, from Dates, ISO 8601 texts or milliseconds since 1970-01-01; null, undefined and NaN are null.
 *
 * `unit` is what the column counts: `s`, `ms` (default), `us` or `ns`. `zone` is a time zone name for display, default
 * `UTC`; empty for a moment without zone.
 */
export function timestamps(values, { unit = "ms", zone = "UTC" } = {}) {
  const letter = { s: "s", ms: "m", us: "u", ns: "n" }[unit];
  if (!letter) throw new TypeError(`unit \`${unit}\` is not known: use \`s\`, \`ms\`, \`us\` or \`ns\``);
  return times(`ts${letter}:${zone}`, values);
}

/** Decimals of 128 bits, from texts (`12.50`), whole numbers or unscaled BigInts; null and undefined are null. */
export function decimals(values, precision, scale) {
  const format = `d:${precision},${scale}`;
  if (!meaning(format)) throw new TypeError(`\`${format}\` is not a decimal format: precision is 1 to 38, scale 0 to precision`);
  const words = new BigUint64Array(values.length * 2);
  for (let row = 0; row < values.length; row++) {
    if (values[row] == null) continue;
    const unscaled = typeof values[row] === "bigint" ? values[row] : unscaledOf(values[row], scale, row);
    if ((unscaled < 0n ? -unscaled : unscaled) >= 10n ** BigInt(precision)) throw wrong(format, row, values[row]);
    words[2 * row] = BigInt.asUintN(64, unscaled);
    words[2 * row + 1] = BigInt.asUintN(64, unscaled >> 64n);
  }
  return new Column({ format, rows: values.length, values: words, validity: validityOf(values) });
}

/** A column of the given Arrow format from plain values. */
export function columnOf(format, values) {
  const means = meaning(format);
  if (!means) throw new TypeError(`format \`${format}\` is not known`);
  if (means.kind === "integer") return format === "l" || format === "L" ? wide(format, values) : integers(format, values);
  if (means.kind === "float") return floats(format, values);
  if (means.kind === "text") return texts(values);
  if (means.kind === "bytes") return blobs(values);
  if (means.kind === "boolean") return booleans(values);
  if (means.kind === "decimal") return decimals(values, means.precision, means.scale);
  return times(format, values);
}

/**
 * A column for whatever was given: a column as it is, a typed array by its type, an array by its first value
 * (number: float64, BigInt: int64, string: text, boolean, Date: timestamp in UTC, Uint8Array: bytes).
 */
export function infer(values, name) {
  if (values instanceof Column) return values;
  const format = formatsByArray.get(values?.constructor);
  if (format) return new Column({ format, rows: values.length, values });
  if (!Array.isArray(values)) throw new TypeError(`column \`${name}\` is neither a column nor an array`);
  const first = values.find((value) => value != null);
  switch (typeof first) {
    case "number":
      return float64(values);
    case "bigint":
      return int64(values);
    case "string":
      return texts(values);
    case "boolean":
      return booleans(values);
  }
  if (first instanceof Date) return timestamps(values);
  if (first instanceof Uint8Array) return blobs(values);
  throw new TypeError(
    first === undefined
      ? `cannot tell the type of column \`${name}\`: it has no value; use a builder such as \`texts([])\``
      : `cannot make column \`${name}\` from ${typeof first} values`,
  );
}

/** One bit for each row, or null when no row is null. */
export function validityOf(values, absent = (value) => value === null || value === undefined) {
  let bits = null;
  for (let row = 0; row < values.length; row++) {
    if (!absent(values[row])) continue;
    bits ??= new Uint8Array((values.length + 7) >> 3).fill(255);
    bits[row >> 3] &= ~(1 << (row & 7));
  }
  // The bits after the last row are 0, so that equal columns have equal bytes.
  if (bits && values.length % 8) bits[bits.length - 1] &= (1 << values.length % 8) - 1;
  return bits;
}

function integers(format, values) {
  const { array } = meaning(format);
  if (values instanceof array) return new Column({ format, rows: values.length, values });
  const [least, most] = integerRanges[format];
  const numbers = new array(values.length);
  for (let row = 0; row < numbers.length; row++) {
    const value = values[row] ?? 0;
    if (!Number.isInteger(value) || value < least || value > most) throw wrong(format, row, value);
    numbers[row] = value;
  }
  return new Column({ format, rows: numbers.length, values: numbers, validity: validityOf(values) });
}

function wide(format, values) {
  const { array } = meaning(format);
  if (values instanceof array) return new Column({ format, rows: values.length, values });
  const numbers = new array(values.length);
  for (let row = 0; row < numbers.length; row++) {
    const value = values[row] ?? 0;
    if (typeof value !== "bigint" && !Number.isSafeInteger(value)) throw wrong(format, row, value);
    numbers[row] = BigInt(value);
    // The array wraps silently; a value that changed did not fit.
    if (numbers[row] !== BigInt(value)) throw wrong(format, row, value);
  }
  return new Column({ format, rows: numbers.length, values: numbers, validity: validityOf(values) });
}

function floats(format, values) {
  const { array } = meaning(format);
  if (values instanceof array) return new Column({ format, rows: values.length, values });
  const numbers = new array(values.length);
  for (let row = 0; row < numbers.length; row++) {
    const value = values[row] ?? 0;
    if (typeof value !== "number") throw wrong(format, row, value);
    numbers[row] = value;
  }
  return new Column({ format, rows: numbers.length, values: numbers, validity: validityOf(values) });
}

function times(format, values) {
  const { array, milliseconds } = meaning(format);
  const absent = (value) => value === null || value === undefined || (typeof value !== "string" && Number.isNaN(Number(value)));
  const counts = new array(values.length);
  const perMillisecond = milliseconds < 1 ? BigInt(Math.round(1 / milliseconds)) : 1n;
  for (let row = 0; row < values.length; row++) {
    if (absent(values[row])) continue;
    const moment = millisecondsOf(values[row]);
    if (!Number.isFinite(moment)) throw wrong(format, row, values[row]);
    const whole = milliseconds < 1 ? Math.floor(moment) : Math.floor(moment / milliseconds);
    if (array === Int32Array) {
      counts[row] = whole;
    } else {
      // Whole milliseconds are scaled as BigInts: nanoseconds of today are beyond 2^53.
      const rest = milliseconds < 1 ? BigInt(Math.floor((moment - whole) * Number(perMillisecond))) : 0n;
      counts[row] = BigInt(whole) * perMillisecond + rest;
    }
  }
  return new Column({ format, rows: counts.length, values: counts, validity: validityOf(values, absent) });
}

/** Only ISO 8601 texts: what engines make of any other text differs. */
function millisecondsOf(value) {
  if (typeof value !== "string") return Number(value);
  return /^\d{4}-\d\d-\d\d/.test(value) ? Date.parse(value) : NaN;
}

function unscaledOf(value, scale, row) {
  const parts = /^([+-]?)(\d+)(?:\.(\d*))?$/.exec(String(value).trim());
  const fraction = parts?.[3] ?? "";
  if (!parts || fraction.length > scale) throw wrong(`decimal with ${scale} places`, row, value);
  const digits = BigInt(parts[2] + fraction.padEnd(scale, "0"));
  return parts[1] === "-" ? -digits : digits;
}

function wrong(format, row, value) {
  const shown = typeof value === "string" ? JSON.stringify(value.slice(0, 40)) : String(value);
  return new TypeError(`row ${row}: ${shown} does not fit \`${format}\``);
}
