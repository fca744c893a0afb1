// What a host sees of a plugin: typed refusals, the order of calls, the descriptor. Through `mount`, as in a component.

import assert from "node:assert/strict";
import { test } from "node:test";
import { definePlugin, float64, log, Refusal, table, texts } from "@plugwork/guest";
import { analyze, draw, mount, read, transform, write } from "@plugwork/guest/testing";
import { adapt } from "../src/adapt.js";

const numbers = (...values) => table({ n: float64(values) });

class Sum {
  static summary = "Adds up.";
  static options = { type: "object", properties: { column: { type: "string", default: "n" } } };
  #sum = 0;
  constructor(options) {
    this.options = options;
  }
  push(batch) {
    for (const value of batch.column(this.options.column).numbers()) this.#sum += value;
  }
  finish() {
    return { sums: numbers(this.#sum) };
  }
}
const sum = definePlugin({ analyzer: Sum });

/** A plugin whose analyzer does this when it is pushed to. */
function pushing(push, finish = () => ({})) {
  return definePlugin({ analyzer: Object.assign(class { push(batch) { return push(batch); } finish() { return finish(); } }, { summary: "Tries." }) });
}

function refusal(run) {
  try {
    run();
  } catch (thrown) {
    assert.ok(!(thrown instanceof Error), "a bare Error would be a trap");
    return thrown;
  }
  assert.fail("nothing was thrown");
}

test("an analyzer takes batches and answers tables", () => {
  assert.deepEqual(analyze(sum, {}, [numbers(1, 2), numbers(3)]).sums.rows, [{ n: 6 }]);
});

test("defaults of the schema are filled in, and what is given wins", () => {
  assert.throws(() => analyze(sum, { column: "m" }, numbers(1)), { tag: "invalid", message: /no column `m`/ });
});

test("whatever is thrown arrives as a refusal with message and stack", () => {
  const push = (thrown) => {
    const analysis = mount(pushing(() => { throw thrown; })).exports.analyzer.start("{}");
    return refusal(() => analysis.push(numbers().toWit()));
  };
  const error = push(new RangeError("too far"));
  assert.deepEqual([error.tag, error.val.message], ["other", "RangeError: too far"]);
  assert.match(error.val.stack, /points\.test\.js/);
  assert.deepEqual(push("text"), { tag: "other", val: { message: "thrown: text", stack: "" } });
  assert.deepEqual(push(null).val.message, "thrown: null");
  assert.deepEqual(push(Symbol("s")).val.message, "thrown: Symbol(s)");
  assert.deepEqual(push({ get tag() { throw 1; } }).tag, "other");
  assert.deepEqual(push(Refusal.invalid({ what: "w", at: "a" })), { tag: "invalid", val: { what: "w", at: "a", expected: "" } });
  assert.deepEqual(push(Refusal.unavailable("later")), { tag: "unavailable", val: "later" });
  assert.deepEqual(push(Refusal.denied({ code: "E" })), { tag: "denied", val: { code: "E", permission: "", rule: "", hint: "" } });
});

test("a refusal that an imported function answered keeps its case", () => {
  const answered = { tag: "unavailable", val: "no route" };
  const analysis = mount(pushing(() => { throw Object.assign(new Error("x"), { payload: answered }); })).exports.analyzer.start("{}");
  assert.deepEqual(refusal(() => analysis.push(numbers().toWit())), answered);
});

test("lone surrogates in messages do not reach the engine", () => {
  const analysis = mount(pushing(() => { throw new Error("\ud800"); })).exports.analyzer.start("{}");
  assert.equal(refusal(() => analysis.push(numbers().toWit())).val.message, "Error: \ufffd");
});

test("a promise is refused with the reason", () => {
  assert.throws(() => analyze(pushing(async () => {}), {}, numbers(1)), { message: /`push` answered a promise/ });
});

test("options that are not an object are invalid", () => {
  for (const text of ["", "[]", "null", "3"]) assert.equal(refusal(() => mount(sum).exports.analyzer.start(text)).tag, "invalid");
});

test("a push after the first next is invalid, and next stays empty for ever", () => {
  const analysis = mount(sum).exports.analyzer.start("{}");
  assert.equal(analysis.next().table, "sums");
  assert.equal(refusal(() => analysis.push(numbers().toWit())).tag, "invalid");
});

test("next is empty for ever at the end", () => {
  const analysis = mount(sum).exports.analyzer.start("{}");
  analysis.next();
  assert.deepEqual([analysis.next(), analysis.next(), analysis.next()], [null, null, null]);
});

test("after a refusal an analysis is finished", () => {
  const analysis = mount(pushing(() => { throw new Error("once"); })).exports.analyzer.start("{}");
  refusal(() => analysis.push(numbers().toWit()));
  assert.match(refusal(() => analysis.push(numbers().toWit())).val.what, /the analysis is finished/);
  assert.equal(refusal(() => analysis.next()).tag, "invalid");
});

test("findings are cut into batches, and their names and columns are checked", () => {
  const long = numbers(...Array.from({ length: 9000 }, (_, row) => row));
  assert.deepEqual(analyze(pushing(() => {}, () => ({ long })), {}, numbers()).long.parts.map((part) => part.rows), [8192, 808]);
  const fails = (finish, message) => assert.throws(() => analyze(pushing(() => {}, finish), {}, numbers()), { message });
  fails(() => ({ "No Good": long }), /named a table "No Good"/);
  fails(() => ({ ["x".repeat(65)]: long }), /named a table/);
  fails(() => long, /without a name/);
  fails(() => ({ a: 1 }), /must answer what `table` makes/);
  fails(() => [["a", long], ["b", long], ["a", long]], /came back to the table `a`/);
  fails(() => [["a", long], ["a", table({ m: [1] })]], /changed from \("n" g\) to \("m" g\)/);
  fails(() => Array.from({ length: 65 }, (_, at) => [`t${at}`, numbers()]), /more than 64 tables/);
  assert.equal(Object.keys(analyze(pushing(() => {}, () => Array.from({ length: 64 }, (_, at) => [`t${at}`, numbers()])), {}, numbers())).length, 64);
});

test("a source hands out what its generator yields, cut into batches", () => {
  class Count {
    static summary = "Counts.";
    constructor({ parts }) {
      this.parts = parts;
    }
    *read() {
      for (let part = 0; part < this.parts; part++) yield numbers(...new Array(9000).fill(part));
    }
  }
  const plugin = definePlugin({ dataSource: Count });
  assert.deepEqual(read(plugin, { parts: 2 }).parts.map((part) => part.rows), [8192, 808, 8192, 808]);
  assert.throws(() => read(plugin, { parts: 0 }), { message: /handed out no table/ });
});

test("a transformer must answer the same columns every time and no more than one batch", () => {
  class Odd {
    static summary = "Is odd.";
    #calls = 0;
    constructor({ how }) {
      this.how = how;
    }
    apply(batch) {
      if (this.how === "big") return numbers(...new Array(8193).fill(0));
      return this.#calls++ ? batch.with({ more: texts(["x"]) }) : batch;
    }
  }
  const plugin = definePlugin({ transformer: Odd });
  assert.throws(() => transform(plugin, {}, [numbers(1), numbers(2)]), { message: /columns of the transformation changed/ });
  assert.throws(() => transform(plugin, { how: "big" }, numbers(1)), { message: /a batch of 8193 rows/ });
});

test("an exporter answers text or bytes, and may do without an end", () => {
  class Lines {
    static summary = "Writes lines.";
    push(batch) {
      return batch.toRows().map(({ n }) => `${n} é\n`).join("");
    }
  }
  assert.equal(new TextDecoder().decode(write(definePlugin({ exporter: Lines }), {}, [numbers(1), numbers(2)])), "1 é\n2 é\n");
  const wrong = Object.assign(class extends Lines { push() { return 5; } }, { summary: "Wrong." });
  assert.throws(() => write(definePlugin({ exporter: wrong }), {}, numbers(1)), { message: /must answer text or a Uint8Array/ });
});

test("a chart needs a name, a description and a body of at most 4 MiB", () => {
  const drawing = (chart) => definePlugin({ visualization: Object.assign(class { push() {} finish() { return [chart]; } }, { summary: "Draws." }) });
  const chart = { name: "a", title: "A", description: "It shows A.", spec: { mark: "bar" } };
  assert.deepEqual(draw(drawing(chart), {}, { t: numbers(1) })[0].spec, { mark: "bar" });
  assert.throws(() => draw(drawing({ ...chart, name: "A" }), {}, {}), { message: /a chart is named "A"/ });
  assert.throws(() => draw(drawing({ ...chart, description: "" }), {}, {}), { message: /needs a `description`/ });
  assert.throws(() => draw(drawing({ ...chart, body: "x".repeat(4 * 1_048_576 + 1) }), {}, {}), { message: /more than 4194304 bytes/ });
});

test("the descriptor tells every point with its options", () => {
  const { points } = JSON.parse(mount(sum).exports.lifecycle.descriptor());
  assert.deepEqual(points, { "plugwork:points/analyzer": { summary: "Adds up.", options: Sum.options } });
  const none = JSON.parse(mount(pushing(() => {})).exports.lifecycle.descriptor()).points["plugwork:points/analyzer"].options;
  assert.deepEqual(none, { type: "object", additionalProperties: false });
});

test("lifecycle functions are supplied where the author has none, and wrapped where he has", () => {
  const plain = mount(sum).exports.lifecycle;
  assert.deepEqual([plain.init("{}"), plain.shutdown(), plain.health(), plain.migrate("0.9.0")], [undefined, undefined, "ready", undefined]);
  assert.equal(refusal(() => plain.init("nonsense")).tag, "invalid");
  let config;
  const own = mount({ ...sum, init: (given) => { config = given; }, health: () => { throw Refusal.unavailable("warming up"); } }).exports.lifecycle;
  own.init('{"a":1}');
  assert.deepEqual(config, { a: 1 });
  assert.deepEqual(refusal(() => own.health()), { tag: "unavailable", val: "warming up" });
});

test("a plugin that is not whole is refused while it is built", () => {
  class NoFinish { static summary = "x"; push() {} }
  assert.throws(() => definePlugin({ analyzer: NoFinish }), /class `NoFinish` is the `analyzer` and needs `finish`/);
  assert.throws(() => definePlugin({ analyzer: class { push() {} finish() {} } }), /static summary/);
  assert.throws(() => definePlugin({ analyzer: {} }), /must be a class/);
  const host = { write() {}, lastWords() {} };
  const wanted = { name: "exporter", interface: "plugwork:points/exporter" };
  assert.throws(() => adapt({ default: {} }, host, [wanted]), /has no `exporter`: add it to `definePlugin\(\{ exporter: … \}\)`/);
  assert.throws(() => adapt({ default: sum }, host, []), /the module has `analyzer`, but `exports` of `plugin.toml` does not name it/);
});

test("what is logged before there is a host is written by the first call", () => {
  const { exports, records } = mount(pushing(() => log.warn("in push")));
  log.info("at build time");
  assert.deepEqual(records, []);
  exports.analyzer.start("{}").push(numbers().toWit());
  assert.deepEqual(records, [{ level: "info", message: "at build time" }, { level: "warn", message: "in push" }]);
});
