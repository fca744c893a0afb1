// The analyzer as a host sees it, against the obvious way to compute the same.

import assert from "node:assert/strict";
import { test } from "node:test";
import { float64, int64, table, texts, timestamps } from "@plugwork/guest";
import { analyze } from "@plugwork/guest/testing";
import groupStats from "../plugin.js";

const stats = (options, ...batches) => analyze(groupStats, options, batches).statistics.rows;

test("groups over several batches", () => {
  const rows = stats(
    { by: ["k"] },
    table({ k: ["a", "b", "a"], x: [1, 2, 3], n: int64([1, 1, 1]) }),
    table({ k: ["b", "c"], x: float64([4, null]), n: int64([2, 3]) }),
  );
  const row = (k, column, rows, count, mean, minimum, maximum, sum) => ({ k, column, rows, count, nulls: rows - count, mean, minimum, maximum, sum });
  assert.deepEqual(rows, [
    row("a", "x", 2, 2, 2, 1, 3, 4), row("a", "n", 2, 2, 1, 1, 1, 2),
    row("b", "x", 2, 2, 3, 2, 4, 6), row("b", "n", 2, 2, 1.5, 1, 2, 3),
    row("c", "x", 1, 0, null, null, null, null), row("c", "n", 1, 1, 3, 3, 3, 3),
  ]);
});

test("agrees with the obvious way on keys of two columns", () => {
  let state = 3;
  const next = (below) => (state = (state * 48271) % 2147483647) % below;
  const rows = Array.from({ length: 20_000 }, () => ({ a: `k${next(7)}`, b: next(5), x: next(1000) / 8 }));
  const found = stats({ by: ["a", "b"], values: ["x"] }, table({ a: rows.map((r) => r.a), b: int64(rows.map((r) => r.b)), x: rows.map((r) => r.x) }));
  const expected = Map.groupBy ? Map.groupBy(rows, (r) => r.a + r.b) : rows.reduce((map, r) => map.set(r.a + r.b, [...(map.get(r.a + r.b) ?? []), r]), new Map());
  assert.equal(found.length, expected.size);
  for (const row of found) {
    const xs = expected.get(row.a + row.b).map((r) => r.x);
    const sum = xs.reduce((left, right) => left + right, 0);
    assert.deepEqual([row.count, row.sum, row.minimum, row.maximum], [xs.length, sum, Math.min(...xs), Math.max(...xs)]);
  }
});

test("values that are not finite count as null and spoil nothing", () => {
  const [row] = stats({}, table({ x: [1, 5] }), table({ x: [NaN, Infinity, 3, -Infinity] }));
  assert.deepEqual([row.rows, row.count, row.nulls, row.mean, row.minimum, row.maximum], [6, 3, 3, 3, 1, 5]);
});

test("a sum beyond the range of a float is null", () => {
  const [row] = stats({}, table({ x: [1e308, 1e308] }));
  assert.deepEqual([row.count, row.sum, row.mean, row.maximum], [2, null, null, 1e308]);
});

test("small values beside large ones are not lost over batches", () => {
  const batches = [table({ x: [1e16] }), ...Array.from({ length: 10 }, () => table({ x: [1] })), table({ x: [-1e16] })];
  assert.equal(stats({}, ...batches)[0].sum, 10);
});

test("keys keep their type", () => {
  const found = analyze(groupStats, { by: ["t"] }, table({ t: timestamps([1000, null, 1000]), x: [1, 2, 3] })).statistics;
  assert.deepEqual(found.formats[0], "tsm:UTC");
  assert.deepEqual(found.rows.map((row) => row.t), [new Date(1000), null]);
});

test("a table without rows has no groups, but its columns", () => {
  const found = analyze(groupStats, { by: ["k"] }, table({ k: texts([]), x: float64([]) })).statistics;
  assert.deepEqual([found.rows, found.names], [[], ["k", "column", "rows", "count", "nulls", "mean", "minimum", "maximum", "sum"]]);
  assert.deepEqual(stats({}, table({ x: float64([]) })), []);
});

test("what cannot be computed is refused with its place", () => {
  const refused = (options, batch, message) => assert.throws(() => stats(options, batch), { tag: "invalid", message });
  refused({ by: ["sum"] }, table({ sum: [1] }), /`sum` is also a column of the result at \/by\/0/);
  refused({}, table({ k: ["a"] }), /no column is numeric/);
  refused({ values: ["k"] }, table({ k: ["a"] }), /expected a numeric column/);
  refused({ by: ["k"], "groups-max": 2 }, table({ k: ["a", "b", "c"], x: [1, 2, 3] }), /more than 2 distinct values/);
  refused({ by: ["k", "j"], "groups-max": 2 }, table({ k: ["a", "b", "a"], j: ["a", "b", "b"], x: [1, 2, 3] }), /more than 2 groups/);
});
