// Interfaces of an application's own WIT, described as the build describes them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { adapt } from "../src/adapt.js";
import { connectLog } from "../src/log.js";

const functions = { apply: "refusal", checkIt: "other", isFine: "empty", say: "text", count: "none" };
const fine = { apply: (text) => text, checkIt() {}, isFine() {}, say() {}, count: () => 1 };

function mounted(author, resources = {}) {
  const said = [];
  const host = { write: (level, message) => said.push([level, message]), lastWords: (message) => said.push(["last-words", message]) };
  connectLog(host.write);
  const wanted = { name: "textFilter", interface: "example:text/text-filter", description: { functions, resources } };
  return { said, exports: adapt({ textFilter: author }, host, [wanted]).textFilter };
}

function thrown(run) {
  try {
    run();
  } catch (value) {
    return value;
  }
  assert.fail("nothing was thrown");
}

test("functions are passed through by name", () => {
  assert.equal(mounted(fine).exports.apply("a"), "a");
  assert.throws(() => mounted({ ...fine, count: 5 }), /exports `textFilter`, which needs a function `count`/);
});

test("a throw becomes what the function's error type can say", () => {
  const fail = () => { throw new Error("no"); };
  const { exports, said } = mounted({ apply: fail, checkIt: fail, isFine: fail, say: fail, count: fail });
  assert.equal(thrown(() => exports.apply("")).val.message, "Error: no");
  assert.equal(thrown(() => exports.say()), "Error: no");
  assert.equal(thrown(() => exports.isFine()), undefined);
  assert.match(said.at(-1)[1], /isFine: Error: no/);
  assert.ok(thrown(() => exports.count()) instanceof Error);
  assert.deepEqual(said.at(-1), ["last-words", "Error: no"]);
});

test("a value of the function's own error type is passed on", () => {
  const lost = { tag: "lost", val: 1 };
  const { exports } = mounted({ ...fine, checkIt() { throw lost; }, say() { throw "typed"; } });
  assert.equal(thrown(() => exports.checkIt()), lost);
  assert.equal(thrown(() => exports.say()), "typed");
});

test("a resource's methods, static functions and constructor are wrapped", () => {
  class WordList {
    constructor(words) {
      if (!words) throw new Error("no words");
      this.words = words;
    }
    has(word) {
      if (!word) throw new Error("no word");
      return this.words.includes(word);
    }
    static empty() {
      return new WordList([]);
    }
  }
  const resources = { WordList: { methods: { has: "refusal" }, statics: { empty: "refusal" }, creates: true } };
  const { exports, said } = mounted({ ...fine, WordList }, resources);
  const list = new exports.WordList(["a"]);
  assert.equal(list.has("a"), true);
  assert.equal(thrown(() => list.has("")).tag, "other");
  assert.equal(exports.WordList.empty().has("a"), false);
  thrown(() => new exports.WordList());
  assert.deepEqual(said.at(-1), ["last-words", "Error: no words"]);
});

test("a class may stand for the interface", () => {
  class TextFilter { apply(text) { return this.shout(text); } shout(text) { return text.toUpperCase(); } checkIt() {} isFine() {} say() {} count() {} }
  assert.equal(mounted(TextFilter).exports.apply("a"), "A");
});
