// What a host sees of an `event-handler`: events in order, what they are made of, and what is thrown.

import assert from "node:assert/strict";
import { test } from "node:test";
import { definePlugin, Refusal } from "@plugwork/guest";
import { mount, tell } from "@plugwork/guest/testing";

const handling = (handle) => definePlugin({ eventHandler: Object.assign(class { handle(events) { return handle(events); } }, { summary: "Tries." }) });

test("events come in order, as text and as JSON", () => {
  const heard = [];
  tell(handling((events) => heard.push(...events.map((event) => [event.topic, event.json()]))), [{ topic: "a/b", payload: "1" }, { topic: "c", payload: "[2]" }]);
  assert.deepEqual(heard, [["a/b", 1], ["c", [2]]]);
});

test("what is thrown is a refusal, and a payload that is not JSON is invalid", () => {
  assert.throws(() => tell(handling(() => { throw Refusal.unavailable("later"); }), [{ topic: "a" }]), { tag: "unavailable" });
  assert.throws(() => tell(handling(([event]) => event.json()), [{ topic: "a", payload: "{" }]), { tag: "invalid" });
  assert.throws(() => tell(handling(async () => {}), [{ topic: "a" }]), { tag: "other" });
});

test("a sequence is a number where the topic is durable, and undefined where it is not", () => {
  const heard = [];
  const events = [{ topic: "a", sequence: 9 }, { topic: "a" }, { topic: "a", sequence: null }];
  tell(handling((events) => heard.push(...events.map((event) => event.sequence))), events);
  assert.deepEqual(heard, [9, undefined, undefined]);
});

test("a chain is a number, and one object serves an instance", () => {
  let made = 0;
  class Yields {
    static summary = "Yields.";
    *handle(events) { yield events; }
  }
  assert.throws(() => mount(definePlugin({ eventHandler: Yields })).exports.eventHandler.handle([]), { tag: "other" });
  class Counting {
    static summary = "Counts.";
    constructor() { made += 1; }
    handle([event]) { assert.equal(event.chain, 7); }
  }
  const { eventHandler } = mount(definePlugin({ eventHandler: Counting })).exports;
  const event = { topic: "a", payload: new Uint8Array(0), source: "test:a", chain: 7, hops: 1 };
  eventHandler.handle([event]);
  eventHandler.handle([event]);
  assert.equal(made, 1);
});
