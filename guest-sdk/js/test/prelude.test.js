// The prelude's parts, in a context of their own so that node's globals stay as they are.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { inspect } from "../src/inspect.js";
import { linesKey, mapStack } from "../src/lines.js";

/** Runs `script` in another process after the prelude, without node's codecs; answers what reached the host's log. */
function withPrelude(script, clocks = false) {
  const source = `
    const print = process.stdout.write.bind(process.stdout);
    delete globalThis.TextEncoder; delete globalThis.TextDecoder;
    const { installPrelude } = await import(${JSON.stringify(new URL("../src/prelude.js", import.meta.url).href)});
    const { wakeLog } = await import(${JSON.stringify(new URL("../src/log.js", import.meta.url).href)});
    const records = [];
    installPrelude({ host: { write: (level, message) => records.push([level, message]) }, clocks: ${clocks} });
    wakeLog();
    try { ${script} } catch (error) { records.push(["thrown", error.message]); }
    print(JSON.stringify(records));
  `;
  return JSON.parse(execFileSync(process.execPath, ["--input-type=module", "--eval", source], { encoding: "utf8" }));
}

test("console goes to the log by level", () => {
  assert.deepEqual(withPrelude(`console.log("a %s %d", "b", 3, { c: [1n] }); console.warn(new Map([[1, 2]])); console.assert(1 > 2, "odd"); console.debug("d")`), [
    ["info", "a b 3 { c: [1n] }"], ["warn", "Map { 1 => 2 }"], ["error", "assertion failed: odd"], ["debug", "d"],
  ]);
});

test("every way to the time says that no clock was granted", () => {
  for (const way of ["Date.now()", "new Date()", "Date()", "performance.now()", "new (new Date(0).constructor)()"]) {
    assert.match(withPrelude(way)[0][1], /needs a clock, and none was granted/);
  }
});

test("dates from values work without a clock", () => {
  assert.deepEqual(withPrelude(`console.log(new Date(0).toISOString(), new Date(2020, 1) instanceof Date, Date.UTC(1970, 0), Date.parse("1970-01-02"))`), [
    ["info", "1970-01-01T00:00:00.000Z true 0 86400000"],
  ]);
});

test("a build that keeps WASI keeps its clocks", () => {
  assert.deepEqual(withPrelude(`console.log(Date.now() > 0)`, true), [["info", "true"]]);
});

test("random numbers are the same in every instance", () => {
  const draw = `console.log(Array.from({ length: 1000 }, Math.random).every((x) => x >= 0 && x < 1), Math.random())`;
  assert.deepEqual(withPrelude(draw), withPrelude(draw));
  assert.match(withPrelude(draw)[0][1], /^true 0\./);
});

test("the text codecs work in chunks and refuse what they cannot", () => {
  assert.deepEqual(
    withPrelude(`
      const decoder = new TextDecoder();
      const bytes = new TextEncoder().encode("\\ufeffa漢😀");
      let text = "";
      for (const byte of bytes) text += decoder.decode(Uint8Array.of(byte), { stream: true });
      console.log(JSON.stringify(text + decoder.decode()), JSON.stringify(new TextEncoder().encodeInto("é漢", new Uint8Array(4))));
      new TextDecoder("latin1");
    `),
    [["info", '"a漢😀" {"read":1,"written":2}'], ["thrown", "encoding `latin1` is not supported: use `utf-8`"]],
  );
});

test("inspect ends and never throws", () => {
  const circle = {};
  circle.self = circle;
  assert.equal(inspect(circle), "{ self: [circular] }");
  assert.equal(inspect({ get bad() { throw 1; } }), "[cannot be shown]");
  assert.equal(inspect(new Float64Array(60)).match(/0/g).length, 51 + 0);
  assert.equal(inspect([[[[[1]]]]]), "[[[[[Array]]]]]");
  assert.equal(inspect(Object.create(null)), "{}");
});

test("a stack names the author's files by the build's table", () => {
  globalThis[linesKey] = { bundle: "bundle.js", sources: ["plugin.js"], runs: [1, -1, 0, 10, 0, 5, 20, -1, 0] };
  try {
    const stack = "at f (/bundle.js:12:3)\nat g (/bundle.js:9:1)\nat h (bundle.js:10)\nat i (/bundle.js:25:1)\nat j (other.js:12:1)";
    assert.equal(mapStack(stack), "at f (plugin.js:7)\nat g (/bundle.js:9:1)\nat h (plugin.js:5)\nat i (/bundle.js:25:1)\nat j (other.js:12:1)");
  } finally {
    delete globalThis[linesKey];
  }
  assert.equal(mapStack("at f (/bundle.js:12:3)"), "at f (/bundle.js:12:3)");
});
