// Group numbers: stable over batches, and equal exactly for equal keys.

import assert from "node:assert/strict";
import { test } from "node:test";
import { blobs, booleans, float64, Groups, int64, texts, timestamps } from "@plugwork/guest";

const numbered = (...columns) => {
  const groups = new Groups();
  return [columns.map((column) => [...groups.number(column)]), groups.keys];
};

test("numbers stay the same over batches", () => {
  assert.deepEqual(numbered(texts(["b", "a", "b"]), texts(["a", null, "c"])), [[[0, 1, 0], [1, 2, 3]], ["b", "a", null, "c"]]);
});

test("a key is the same group whether or not its batch has nulls", () => {
  assert.deepEqual(numbered(int64([5, 6]), int64([null, 5])), [[[0, 1], [2, 0]], [5, 6, null]]);
  assert.deepEqual(numbered(float64([0.5]), float64([null, 0.5])), [[[0], [1, 0]], [0.5, null]]);
});

test("64-bit keys that a number cannot hold stay apart", () => {
  assert.deepEqual(numbered(int64([2n ** 53n, 2n ** 53n + 1n, 1n]), int64([1n])), [[[0, 1, 2], [2]], [2n ** 53n, 2n ** 53n + 1n, 1]]);
});

test("any kind of column can be a key", () => {
  assert.deepEqual(numbered(booleans([true, false, true]))[0], [[0, 1, 0]]);
  assert.deepEqual(numbered(timestamps([1, 2, 1])), [[[0, 1, 0]], [1, 2]]);
  assert.deepEqual(numbered(blobs([Uint8Array.of(1, 2), Uint8Array.of(1, 2)]))[0], [[0, 0]]);
});

test("more groups than allowed are refused, as many are not", () => {
  assert.equal(new Groups({ max: 2 }).number(texts(["a", "b", "a"])).length, 3);
  assert.throws(() => new Groups({ max: 2 }).number(texts(["a", "b", "c"])), { tag: "invalid", message: /more than 2 distinct values/ });
});
