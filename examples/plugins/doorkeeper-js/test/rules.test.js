// The list without a host. That the plugin is asked and told is tested where it runs: `tests/it/doorkeeper.rs`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { decide, readRules, summarise } from "../rules.js";

const rules = readRules({ allowed: { ada: ["*"], bob: ["plugwork:points/exporter"] } });

test("who is on the list may call what is named there, and nobody else anything", () => {
  assert.equal(decide(rules, "ada", "plugwork:points/analyzer@0.1.0"), true);
  assert.equal(decide(rules, "bob", "plugwork:points/exporter@0.1.0"), true);
  assert.equal(decide(rules, "bob", "plugwork:points/analyzer@0.1.0"), "`bob` may not call `plugwork:points/analyzer`");
  assert.equal(decide(rules, null, "a:b/c"), "nobody said for whom `a:b/c` is called");
  assert.equal(decide(rules, "constructor", "a:b/c"), "`constructor` may not call `a:b/c`");
});

test("denials are counted by principal", () => {
  const denial = (principal) => ({ text: () => principal });
  assert.deepEqual(summarise(["eve", "", "eve"].map(denial)), { "": 1, eve: 2 });
});

test("a configuration that says something else is refused", () => {
  assert.throws(() => readRules({ denied: {} }), { tag: "invalid" });
  for (const allowed of [{ ada: "*" }, [["*"]], 5, null]) assert.throws(() => readRules({ allowed }), { tag: "invalid" });
});
