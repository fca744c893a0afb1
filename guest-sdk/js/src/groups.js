// Group numbers for the rows of a key column, the same over all batches of a table.
// Not here: what is computed for a group. Easily got wrong: a null key is a group too, whose key is null.

import { Refusal } from "./refusal.js";

/** Numbers the distinct values of key columns: 0 for the first one met, 1 for the next, and so on. */
export class Groups {
  #codes = new Map();

  /** @param {{ max?: number }} options `max`: how many distinct keys are accepted before a Refusal; default 100,000 */
  constructor({ max = 100_000 } = {}) {
    this.max = max;
    /** The key of each group, by its number. */
    this.keys = [];
  }

  /** How many groups there are so far. */
  get count() {
    return this.keys.length;
  }

  /** The group number of each row of `column`, which may be of any kind. */
  number(column) {
    const keys = column.kind === "text" ? column.texts() : plainKeys(column);
    const numbers = new Int32Array(column.rows);
    const codes = this.#codes;
    let row = 0;
    for (const key of keys) {
      const known = codes.get(key);
      numbers[row++] = known === undefined ? this.#add(key, column) : known;
    }
    return numbers;
  }

  #add(key, column) {
    if (this.keys.length >= this.max) {
      throw Refusal.invalid({
        what: `more than ${this.max} distinct values`,
        at: `column ${JSON.stringify(column.name)}`,
        expected: "a column with fewer groups",
      });
    }
    this.#codes.set(key, this.keys.length);
    return this.keys.push(key) - 1;
  }
}

/** Keys that compare by value in a Map, and alike in every batch: no Dates, no byte arrays, BigInts only where needed. */
function plainKeys(column) {
  if (column.validity === null && (column.kind === "integer" || column.kind === "float")) {
    const numbers = column.numbers();
    const is64 = column.values instanceof BigInt64Array || column.values instanceof BigUint64Array;
    if (!is64 || numbers.every(Number.isSafeInteger)) return numbers;
  }
  const keys = column.toArray();
  return keys.map((key) => (key instanceof Date ? key.getTime() : key instanceof Uint8Array ? key.join() : key));
}
