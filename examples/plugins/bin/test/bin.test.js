// The transformer as a host sees it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { float64, int32, table, texts } from "@plugwork/guest";
import { transform } from "@plugwork/guest/testing";
import bin from "../plugin.js";

const classes = (values, options) =>
  transform(bin, { column: "m", ...options }, table({ m: float64(values) })).rows.map((row) => row[options.into ?? "m-class"]);

test("a value on an edge is in the upper class", () => {
  assert.deepEqual(classes([2.9, 3, 4.99, 5, -Infinity, Infinity], { edges: [3, 5] }), [
    "below 3", "3 to 5", "3 to 5", "5 and above", "below 3", "5 and above",
  ]);
});

test("classes may have names of their own", () => {
  assert.deepEqual(classes([1, 2], { edges: [2], labels: ["small", "large"] }), ["small", "large"]);
});

test("steps are half-open, begin at the start and are not fooled by floating point", () => {
  assert.deepEqual(classes([0.3, 0.29, 0, -0.05], { step: 0.1 }), ["0.3 to 0.4", "0.2 to 0.3", "0 to 0.1", "-0.1 to 0"]);
  assert.deepEqual(classes([1.7, 1.1 * 3], { step: 0.5, start: 0.2 }), ["1.7 to 2.2", "3.2 to 3.7"]);
});

test("nulls and NaN have no class, and infinity has no step", () => {
  assert.deepEqual(classes([null, NaN], { edges: [1] }), [null, null]);
  assert.deepEqual(classes([null, NaN, Infinity, -Infinity], { step: 1 }), [null, null, null, null]);
});

test("other columns and their order stay, and integers can be binned", () => {
  const found = transform(bin, { column: "n", edges: [10], into: "size" }, table({ place: texts(["a", null]), n: int32([9, 10]) }));
  assert.deepEqual(found.rows, [{ place: "a", n: 9, size: "below 10" }, { place: null, n: 10, size: "10 and above" }]);
  assert.deepEqual(found.formats, ["u", "i", "u"]);
});

test("a batch without rows gets the column too", () => {
  assert.deepEqual(transform(bin, { column: "m", step: 1 }, table({ m: float64([]) })).names, ["m", "m-class"]);
});

test("wrong options are refused with their place", () => {
  for (const [options, at] of [
    [{ edges: [2, 2] }, "/edges/1"],
    [{ edges: [1, 2], labels: ["a", "b"] }, "/labels"],
    [{ step: 1, labels: ["a", "b"] }, "/labels"],
  ]) {
    assert.throws(() => classes([1], options), (error) => error.tag === "invalid" && error.value.at === at);
  }
  assert.throws(() => transform(bin, { column: "m", step: 1, into: "k" }, table({ m: [1], k: [2] })), { message: /there is a column `k` already/ });
  assert.throws(() => transform(bin, { column: "x", step: 1 }, table({ m: [1] })), { message: /no column `x`.*one of `m`/ });
  assert.throws(() => transform(bin, { column: "m", step: 1 }, table({ m: ["a"] })), { message: /expected a numeric column/ });
});
