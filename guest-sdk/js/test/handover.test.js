// What a host sees when it replaces a plugin: `migrate`, `snapshot`, `restore`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { definePlugin, Refusal } from "@plugwork/guest";
import { mount } from "@plugwork/guest/testing";
import { adapt } from "../src/adapt.js";

const host = { write() {}, lastWords() {} };
const exported = { name: "handover", interface: "plugwork:plugin/handover" };

function refusal(run) {
  try {
    run();
  } catch (thrown) {
    assert.ok(!(thrown instanceof Error), "a bare Error would be a trap");
    return thrown;
  }
  assert.fail("nothing was thrown");
}

function handingOver(snapshot, restore = () => {}) {
  return mount(definePlugin({ handover: { snapshot, restore } })).exports.handover;
}

test("what was snapshot is restored, as bytes, with the version it is from", () => {
  const kept = [];
  const { snapshot, restore } = handingOver(() => "é", (state, from) => kept.push([state, from]));
  assert.deepEqual(snapshot(), Uint8Array.of(0xc3, 0xa9));
  assert.equal(restore(Uint8Array.of(1), "1.0.0"), undefined);
  assert.deepEqual(kept, [[Uint8Array.of(1), "1.0.0"]]);
  assert.deepEqual(handingOver(() => Uint8Array.of(1, 2)).snapshot(), Uint8Array.of(1, 2));
});

test("what a handover throws is a refusal", () => {
  const broken = handingOver(() => { throw new Error("no"); }, () => { throw Refusal.invalid({ what: "cut off" }); });
  assert.equal(refusal(() => broken.snapshot()).val.message, "Error: no");
  assert.deepEqual(refusal(() => broken.restore(new Uint8Array(0), "1.0.0")), { tag: "invalid", val: { what: "cut off", at: "", expected: "" } });
});

test("a snapshot has at most 16 MiB and is text or bytes", () => {
  assert.equal(handingOver(() => new Uint8Array(16 * 1_048_576)).snapshot().length, 16_777_216);
  assert.match(refusal(() => handingOver(() => new Uint8Array(16 * 1_048_576 + 1)).snapshot()).val.message, /16777217 bytes; at most 16777216/);
  for (const wrong of [undefined, { count: 1 }, [1, 2]]) {
    assert.match(refusal(() => handingOver(() => wrong).snapshot()).val.message, /must answer text or a Uint8Array/);
  }
  assert.match(refusal(() => handingOver(async () => "").snapshot()).val.message, /`snapshot` answered a promise/);
});

test("a class instance keeps its `this`", () => {
  class Kept {
    #state = "a";
    snapshot() { return this.#state; }
    restore(state) { this.#state = new TextDecoder().decode(state); }
  }
  const { snapshot, restore } = mount(definePlugin({ handover: new Kept() })).exports.handover;
  restore(Uint8Array.of(98), "1.0.0");
  assert.deepEqual(snapshot(), Uint8Array.of(98));
});

test("half a handover, and one that is not exported, are refused while the plugin is built", () => {
  assert.throws(() => adapt({ default: { handover: { snapshot() {} } } }, host, [exported]), /`handover` of the plugin needs a function `restore`/);
  assert.throws(() => adapt({ default: {} }, host, [exported]), /has no `handover`/);
  assert.throws(() => adapt({ default: { handover: {} } }, host, []), /the module has `handover`, but `exports` of `plugin.toml` does not name it/);
});

test("migrate is told the version before, and may refuse", () => {
  const plugin = definePlugin({ migrate: (from) => { if (from !== "1.0.0") throw Refusal.unavailable(`no way from ${from}`); } });
  const { migrate } = mount(plugin).exports.lifecycle;
  assert.equal(migrate("1.0.0"), undefined);
  assert.deepEqual(refusal(() => migrate("0.9.0")), { tag: "unavailable", val: "no way from 0.9.0" });
  assert.throws(() => definePlugin({ migrate: "1.0.0" }), /`migrate` of the plugin must be a function/);
});
