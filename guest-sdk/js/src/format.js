// What an Arrow format string means: kind, width and the typed array that views its values.
// Not here: reading and building columns (column.js, build.js). Easily got wrong: `values` of dates and timestamps are
// counts of their own unit, and 64-bit ones are BigInts.

const fixed = {
  c: ["integer", Int8Array],
  C: ["integer", Uint8Array],
  s: ["integer", Int16Array],
  S: ["integer", Uint16Array],
  i: ["integer", Int32Array],
  I: ["integer", Uint32Array],
  l: ["integer", BigInt64Array],
  L: ["integer", BigUint64Array],
  f: ["float", Float32Array],
  g: ["float", Float64Array],
  tdD: ["date", Int32Array],
  tdm: ["date", BigInt64Array],
};
/** Milliseconds in one count of a time format, by its first three letters. */
const unitMilliseconds = { tdD: 86_400_000, tdm: 1, tss: 1000, tsm: 1, tsu: 1 / 1000, tsn: 1 / 1_000_000 };

const known = new Map();

/**
 * What `format` means, or null for one that the contract does not have.
 *
 * @returns {{kind: string, width: number, array: Function, milliseconds?: number, zone?: string, precision?: number, scale?: number} | null}
 */
export function meaning(format) {
  let found = known.get(format);
  if (found === undefined) {
    found = parse(format);
    // A hostile table could name endless time zones.
    if (known.size < 256) known.set(format, found);
  }
  return found;
}

function parse(format) {
  if (Object.hasOwn(fixed, format)) {
    const [kind, array] = fixed[format];
    return { kind, array, width: array.BYTES_PER_ELEMENT, milliseconds: unitMilliseconds[format] };
  }
  if (format === "b") return { kind: "boolean", array: Uint8Array, width: 0 };
  if (format === "u") return { kind: "text", array: Uint8Array, width: 0 };
  if (format === "z") return { kind: "bytes", array: Uint8Array, width: 0 };
  const timestamp = /^(ts[smun]):(.*)$/.exec(format);
  if (timestamp) {
    return { kind: "timestamp", array: BigInt64Array, width: 8, milliseconds: unitMilliseconds[timestamp[1]], zone: timestamp[2] };
  }
  const decimal = /^d:(\d{1,2}),(\d{1,2})$/.exec(format);
  if (decimal) {
    const [precision, scale] = [Number(decimal[1]), Number(decimal[2])];
    if (precision >= 1 && precision <= 38 && scale <= precision) {
      return { kind: "decimal", array: BigUint64Array, width: 16, precision, scale };
    }
  }
  return null;
}

/** How many rows and bytes one batch may have (`plugwork:table/types`). */
export const limits = { rows: 8192, columns: 256, bytes: 1_048_576, nameBytes: 128 };
