// What a host sees of an `http-function`: answers in all their forms, refusals, and one object for each instance.

import assert from "node:assert/strict";
import { test } from "node:test";
import { definePlugin, Refusal } from "@plugwork/guest";
import { answer, mount } from "@plugwork/guest/testing";

/** A plugin that answers like this. */
const handling = (handle) => definePlugin({ httpFunction: Object.assign(class { handle(request, context) { return handle(request, context); } }, { summary: "Tries." }) });

test("a body has one form", () => {
  for (const given of [{ text: "a", json: 1 }, { body: "text" }, { text: 5 }, null, 3]) {
    assert.throws(() => answer(handling(() => given)), { tag: "other" }, JSON.stringify(given));
  }
});

test("a status is one of 200 to 599", () => {
  for (const status of [199, 600, 200.5, "200", NaN]) assert.throws(() => answer(handling(() => ({ status }))), { tag: "other" }, String(status));
  assert.equal(answer(handling(() => ({ status: 599 }))).status, 599);
});

test("a promise is refused, and a refusal keeps its case", () => {
  assert.throws(() => answer(handling(async () => "late")), { tag: "other" });
  assert.throws(() => answer(handling(() => { throw Refusal.invalid({ what: "no" }); })), { tag: "invalid" });
});

test("each form has its type, and a type that was given stays", () => {
  const type = (given) => answer(handling(() => given)).headers["content-type"];
  assert.equal(type("plain"), "text/plain; charset=utf-8");
  assert.equal(type({ html: "<p>" }), "text/html; charset=utf-8");
  assert.equal(type({ json: [1] }), "application/json");
  assert.equal(type({ body: new Uint8Array(1) }), undefined);
  assert.equal(type({ json: 1, headers: { "content-type": "application/vnd.own+json" } }), "application/vnd.own+json");
});

test("headers may stand twice, and values may be bytes", () => {
  const plugin = handling(() => ({ headers: [["set-cookie", "a"], ["set-cookie", new Uint8Array([98])]] }));
  const request = { method: "GET", path: "/", query: undefined, headers: [], body: new Uint8Array(0) };
  const context = { scheme: "http", authority: "a", clientAddress: "", principal: undefined, requestId: "1", routeParameters: [["k", "v"]] };
  const { headers } = mount(plugin).exports.httpFunction.handle(request, context);
  assert.deepEqual(headers.map(([name, value]) => [name, String.fromCharCode(...value)]), [["set-cookie", "a"], ["set-cookie", "b"]]);
});

test("one object answers all requests of an instance, and is made at the first", () => {
  let made = 0;
  class Counting {
    static summary = "Counts.";
    count = 0;
    constructor() { made += 1; }
    handle() { return String(++this.count); }
  }
  const { handle } = mount(definePlugin({ httpFunction: Counting })).exports.httpFunction;
  assert.equal(made, 0);
  const ask = () => handle({ method: "GET", path: "/", query: null, headers: [], body: new Uint8Array(0) }, { routeParameters: [], principal: null });
  ask();
  assert.deepEqual([String.fromCharCode(...ask().body), made], ["2", 1]);
});
