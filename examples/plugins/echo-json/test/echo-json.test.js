// The plugin as a host sees it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { answer } from "@plugwork/guest/testing";
import plugin from "../plugin.js";

test("a body that is not JSON is refused", () => {
  assert.throws(() => answer(plugin, { method: "POST", body: "{" }), { tag: "invalid" });
});

test("it answers what it was asked and what the host says", () => {
  const { status, headers, text } = answer(plugin, { path: "/a%20b", query: "c=1", headers: { "Accept-Language": "de" }, principal: { name: "ada" } });
  assert.equal(status, 200);
  assert.equal(headers["content-type"], "application/json");
  const asked = { method: "GET", path: "/a%20b", query: "c=1", language: "de", body: null };
  assert.deepEqual(JSON.parse(text), { asked, by: "ada", from: "127.0.0.1:1", id: "test" });
});
