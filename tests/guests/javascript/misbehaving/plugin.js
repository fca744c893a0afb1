// Fails in the way that its options name: as an analyzer (`fail`, `when`) and, with batches that lie, as a data source.
// The same options do the same in the guests of the other languages. Easily got wrong: `Lie` goes around the SDK, whose
// own tables cannot lie about anything but what their columns hold.

import { definePlugin, int64, Refusal, table, Table } from "@plugwork/guest";

class Misbehaving {
  static summary = "Fails.";
  static options = {
    type: "object",
    additionalProperties: false,
    properties: { fail: { type: "string" }, when: { enum: ["start", "push", "next"] } },
  };

  rows = 0;

  constructor(options) {
    this.options = options;
    this.reach("start");
  }

  push(batch) {
    this.reach("push");
    this.rows += batch.rows;
  }

  finish() {
    this.reach("next");
    return { count: table({ rows: int64([this.rows]) }) };
  }

  reach(place) {
    if (this.options.when !== place) return;
    const way = ways[this.options.fail];
    if (!way) throw Refusal.invalid({ what: `\`${this.options.fail}\` is no way to fail`, at: "/fail" });
    way();
  }
}

const ways = {
  invalid() {
    throw Refusal.invalid({ what: "not a number", at: "row 12", expected: "a number" });
  },
  denied() {
    throw Refusal.denied({ code: "E-TEST", permission: "plugwork-tests:none", rule: "the test says no", hint: "there is none" });
  },
  unavailable() {
    throw Refusal.unavailable("the test is closed");
  },
  throw() {
    throw new Error("the test asked for it");
  },
  recurse() {
    const descend = (depth) => 1 + descend(depth + 1);
    throw Refusal.other(`came back with ${descend(1)}`);
  },
  "recurse-frames"() {
    ways.recurse();
  },
  allocate() {
    const blocks = [];
    for (;;) blocks.push(new Uint8Array(1 << 20).fill(1));
  },
  loop() {
    for (;;);
  },
  print() {
    console.trace("a trace");
    console.debug("a detail");
    console.log("a line");
    console.warn("a warning");
    console.error("an error");
  },
  clock() {
    throw Refusal.other(`read the clock: ${Date.now()}`);
  },
  exit() {
    process.exit(3);
  },
};

class Liar {
  static summary = "Lies.";
  static options = { type: "object", additionalProperties: false, properties: { lie: { type: "string" } } };

  constructor({ lie }) {
    this.lie = lie;
  }

  *read() {
    yield new Lie(this.lie);
    if (this.lie === "columns-change") yield new Lie("as-floats");
  }
}

/** Two rows: `true` and the column that lies. */
class Lie extends Table {
  constructor(lie) {
    super(2, []);
    this.lie = lie;
  }

  *batches() {
    yield this;
  }

  toWit() {
    const lied = { name: "lied", format: "l", validity: null, offsets: null, values: numbers(1, 2), ...lies[this.lie] };
    const honest = { name: "true", format: "l", validity: null, offsets: null, values: numbers(1, 2) };
    return { rows: this.lie === "rows-many" ? 8193 : 2, columns: [honest, lied] };
  }
}

const numbers = (...values) => new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
const offsets = (...values) => new Uint8Array(Int32Array.of(...values).buffer);
const text = (bytes, ...ends) => ({ format: "u", offsets: offsets(...ends), values: Uint8Array.from(bytes) });

const lies = {
  "values-short": { values: new Uint8Array(15) },
  "values-long": { values: new Uint8Array(17) },
  "validity-short": { validity: new Uint8Array(0) },
  "offsets-missing": { format: "u", values: Uint8Array.of(97, 98) },
  "offsets-short": { format: "u", offsets: new Uint8Array(8), values: new Uint8Array(0) },
  "offsets-fall": text([97, 98, 99], 0, 3, 1),
  "offsets-past-end": text([97, 98, 99], 0, 1, 1_000_000),
  "offsets-negative": text([97, 98, 99], 0, -1, 3),
  "not-utf8": text([0xff, 0xfe], 0, 1, 2),
  "text-cut": text([0xc3, 0xa9], 0, 1, 2),
  "format-unknown": { format: "+l", values: new Uint8Array(0) },
  "as-floats": { format: "g" },
  "name-twice": { name: "true" },
};

export default definePlugin({ analyzer: Misbehaving, dataSource: Liar });
