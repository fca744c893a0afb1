// What a host sees of a `guard`: decisions, and that a method which forgets to answer allows nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { definePlugin, Refusal } from "@plugwork/guest";
import { asks } from "@plugwork/guest/testing";

const guarding = (check) => definePlugin({ guard: Object.assign(class { check(question) { return check(question); } }, { summary: "Tries." }) });

test("a decision is short or says everything", () => {
  const allowed = { verdict: { tag: "allow" }, keepMs: 0 };
  assert.deepEqual(asks(guarding(() => true)), allowed);
  assert.deepEqual(asks(guarding(() => ({ allow: true, keepMs: 5 }))), { ...allowed, keepMs: 5 });
  assert.deepEqual(asks(guarding(() => "not on Sundays")), { verdict: { tag: "deny", val: "not on Sundays" }, keepMs: 0 });
  assert.deepEqual(asks(guarding(() => "half \ud83d")), { verdict: { tag: "deny", val: "half \ufffd" }, keepMs: 0 });
  assert.deepEqual(asks(guarding(() => false)), { verdict: { tag: "deny", val: "" }, keepMs: 0 });
});

test("the question says who, whom and what", () => {
  let heard = null;
  const plugin = guarding((question) => { heard = question; return true; });
  asks(plugin, { principal: "ada", callers: [{ name: "acme:shop", version: "1.0.0", digest: "", instance: "" }], function: "open" });
  assert.deepEqual([heard.principal, heard.callers[0].name, heard.function], ["ada", "acme:shop", "open"]);
  asks(plugin);
  assert.deepEqual([heard.principal, heard.function], [null, null]);
});

test("what is no answer allows nothing", () => {
  for (const answer of [undefined, null, 1, {}, { allow: "yes" }, { allow: true, keepMs: -1 }, { allow: true, keepMs: 0.5 }]) {
    assert.throws(() => asks(guarding(() => answer)), { tag: "other" });
  }
  assert.throws(() => asks(guarding(async () => true)), { tag: "other" });
  assert.throws(() => asks(guarding(() => { throw Refusal.unavailable("later"); })), { tag: "unavailable" });
});
