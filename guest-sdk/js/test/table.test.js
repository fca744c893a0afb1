// What tables keep: values, nulls, limits. The boundary's own record is what is looked at, not our view of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  blobs, booleans, columnOf, dates, decimals, float64, int32, int64, table, Table, tableFromRows, texts, timestamps, uint64,
} from "@plugwork/guest";

const there = (given) => Table.fromWit(given.toWit());
const values = (column) => there(table({ x: column })).column("x").toArray();

test("every kind of column keeps its values and nulls across the boundary", () => {
  assert.deepEqual(values(float64([1.5, null, -0, NaN])), [1.5, null, -0, NaN]);
  assert.deepEqual(values(int32([1, undefined, -2147483648])), [1, null, -2147483648]);
  assert.deepEqual(values(int64([1n, 2 ** 53 - 1, null, -(2n ** 63n)])), [1, 2 ** 53 - 1, null, -(2n ** 63n)]);
  assert.deepEqual(values(uint64([2n ** 64n - 1n])), [2n ** 64n - 1n]);
  assert.deepEqual(values(texts(["a", "", null, "é漢😀"])), ["a", "", null, "é漢😀"]);
  assert.deepEqual(values(booleans([true, false, null, true, true, true, true, true, true])), [true, false, null, true, true, true, true, true, true]);
  assert.deepEqual(values(blobs([Uint8Array.of(0, 255), null])), [Uint8Array.of(0, 255), null]);
  assert.deepEqual(values(decimals(["12.5", "-0.07", null, 3], 10, 2)), ["12.50", "-0.07", null, "3.00"]);
  assert.deepEqual(values(dates(["2024-02-29", -1, null])), [new Date("2024-02-29"), new Date(-86_400_000), null]);
});

test("timestamps keep their moment in every unit", () => {
  const moment = Date.UTC(2026, 1, 3, 4, 5, 6, 789);
  for (const unit of ["ms", "us", "ns"]) assert.deepEqual(values(timestamps([moment, null], { unit })), [new Date(moment), null]);
  assert.deepEqual(values(timestamps([moment], { unit: "s" })), [new Date(moment - 789)]);
  assert.equal(timestamps([moment], { unit: "ns" }).values[0], BigInt(moment) * 1_000_000n);
  assert.equal(timestamps([new Date(0)], { zone: "Europe/Berlin" }).format, "tsm:Europe/Berlin");
});

test("moments before 1970 are cut towards the past", () => {
  assert.equal(timestamps([-1], { unit: "s" }).values[0], -1n);
  assert.deepEqual(values(timestamps([-0.5], { unit: "us" })), [new Date(-1)]);
  assert.deepEqual([...there(table({ t: timestamps([-1500], { unit: "us" }) })).column("t").milliseconds()], [-1500]);
});

test("numbers and milliseconds are float64 with NaN for null", () => {
  assert.deepEqual([...int64([5, null, -7]).numbers()], [5, NaN, -7]);
  assert.deepEqual([...booleans([true, null, false]).numbers()], [1, NaN, 0]);
  assert.deepEqual([...decimals(["1.25", null], 5, 2).numbers()], [1.25, NaN]);
  assert.deepEqual([...timestamps([1000, null], { unit: "ns" }).milliseconds()], [1000, NaN]);
  const column = float64(Float64Array.of(1, 2));
  assert.equal(column.numbers(), column.values);
});

test("a number is never changed to fit", () => {
  assert.throws(() => int32([1.5]), /row 0: 1.5 does not fit `i`/);
  assert.throws(() => int32([0, 2 ** 31]), /row 1/);
  assert.throws(() => int64([2 ** 53]), /does not fit `l`/);
  assert.throws(() => int64([2n ** 63n]), /does not fit `l`/);
  assert.throws(() => uint64([-1]), /does not fit `L`/);
  assert.throws(() => decimals(["1.234"], 5, 2), /row 0/);
  assert.throws(() => decimals(["1000"], 5, 2), /row 0/);
  assert.throws(() => float64(["1"]), /row 0: "1" does not fit `g`/);
  assert.throws(() => dates(["3 March"]), /row 0: "3 March"/);
});

test("a table from an object tells the types by the first value", () => {
  const made = table({ a: [1, 2], b: [null, "x"], c: [1n, 2n], d: [true, null], e: [new Date(0), null], f: Float32Array.of(1, 2) });
  assert.deepEqual(made.columns.map((column) => column.format), ["g", "u", "l", "b", "tsm:UTC", "f"]);
  assert.throws(() => table({ a: [null] }), /cannot tell the type of column `a`: it has no value; use a builder/);
  assert.throws(() => table({ a: [1], b: [1, 2] }), /column `b` has 2 rows where the table has 1/);
});

test("column names are kept in order, also those that are whole numbers, and are checked", () => {
  assert.deepEqual(table([["2", [1]], ["1", [2]]]).names, ["2", "1"]);
  assert.throws(() => table([["", [1]]]), /1 to 128 bytes/);
  assert.equal(table([["é".repeat(64), [1]]]).rows, 1);
  assert.throws(() => table([["é".repeat(64) + "x", [1]]]), /not 129/);
  assert.throws(() => table([["a", [1]], ["a", [1]]]), /two columns/);
});

test("rows become a table and a table becomes rows", () => {
  const rows = [{ place: "a", magnitude: 1.5, n: 3 }, { place: null, magnitude: null, n: null }];
  const made = tableFromRows({ place: "u", magnitude: "g", n: "l" }, rows);
  assert.deepEqual(there(made).toRows(), rows);
  assert.deepEqual(tableFromRows({ place: "u" }, [{}]).toRows(), [{ place: null }]);
});

test("a missing column is refused with the names there are", () => {
  assert.throws(() => table({ a: [1], b: [2] }).column("c"), { name: "Refusal", tag: "invalid", message: /no column `c`.*expected one of `a`, `b`/ });
  assert.throws(() => texts(["x"]).numbers(), { tag: "invalid", message: /it is a text column/ });
});

test("columns are added, replaced, picked and left out", () => {
  const made = table({ a: [1, 2, 3], b: ["x", "y", "z"] });
  assert.deepEqual(made.with({ c: [true, false, true], a: ["1", "2", "3"] }).columns.map(({ name, format }) => name + format), ["au", "bu", "cb"]);
  assert.deepEqual(made.select("b").names, ["b"]);
  assert.deepEqual(made.without("b").names, ["a"]);
});

test("filter and slice keep every kind of column and its nulls", () => {
  const made = table({
    a: [1, null, 3], b: ["x", null, "zz"], c: booleans([true, null, false]), d: decimals(["1.5", null, "2.5"], 4, 1),
    e: timestamps([1, null, 3]), f: int64([1, null, 3]), g: blobs([Uint8Array.of(1), null, Uint8Array.of(3, 3)]),
  });
  const rows = made.toRows();
  assert.deepEqual(there(made.filter((row) => row !== 0)).toRows(), rows.slice(1));
  assert.deepEqual(there(made.take([2, 0])).toRows(), [rows[2], rows[0]]);
  assert.deepEqual(there(made.slice(1, 3)).toRows(), rows.slice(1));
});

test("a long table is cut at 8,192 rows", () => {
  const made = table({ a: Float64Array.from({ length: 8193 }, (_, row) => row), b: booleans(Array.from({ length: 8193 }, (_, row) => row % 3 === 0)) });
  const parts = [...made.batches()].map(there);
  assert.deepEqual(parts.map((part) => part.rows), [8192, 1]);
  assert.deepEqual([parts[1].column("a").get(0), parts[1].column("b").get(0)], [8192, false]);
  assert.deepEqual([...made.slice(0, 8192).batches()].length, 1);
});

test("a wide table is cut at 1 MiB, and a row beyond that is an error", () => {
  // Two offsets of 4 bytes and the text fill the batch exactly.
  const full = 1_048_576 - 8;
  assert.equal([...table({ a: texts(["x".repeat(full)]) }).batches()].length, 1);
  assert.throws(() => [...table({ a: texts(["x".repeat(full + 1)]) }).batches()], /row 0 alone has 1048577 bytes/);
  const made = table({ a: texts(Array.from({ length: 1000 }, (_, row) => `${row}`.padEnd(3000, "é"))) });
  const parts = [...made.batches()].map(there);
  assert.ok(parts.length > 1 && parts.every((part) => part.byteLength <= 1_048_576));
  assert.deepEqual(parts.flatMap((part) => part.toRows()), made.toRows());
});

test("a table without rows is one batch without rows", () => {
  assert.deepEqual([...table({ a: float64([]), b: texts([]) }).batches()].map((part) => [part.rows, part.names]), [[0, ["a", "b"]]]);
});

test("buffers that lie about their length are refused", () => {
  const column = (given) => ({ name: "x", format: "g", validity: null, offsets: null, values: new Uint8Array(16), ...given });
  const refused = (given, what) => assert.throws(() => Table.fromWit({ rows: 2, columns: [column(given)] }), { tag: "invalid", message: what });
  refused({ values: new Uint8Array(15) }, /values have 15 bytes for 2 rows/);
  refused({ validity: new Uint8Array(2) }, /validity has 2 bytes/);
  refused({ offsets: new Uint8Array(12) }, /offsets in a column of format `g`/);
  refused({ format: "u" }, /offsets have 0 bytes/);
  refused({ format: "u", offsets: new Uint8Array(12) }, /offsets run from 0 to 0/);
  refused({ format: "+l" }, /format `\+l` is not known/);
  refused({ format: "d:39,0" }, /is not known/);
});

test("values that stand at an odd address are read all the same", () => {
  const bytes = new Uint8Array(17);
  bytes.set(new Uint8Array(Float64Array.of(1.5, 2.5).buffer), 1);
  const column = { name: "x", format: "g", validity: null, offsets: null, values: bytes.subarray(1) };
  assert.deepEqual(Table.fromWit({ rows: 2, columns: [column] }).column("x").toArray(), [1.5, 2.5]);
});

test("lone surrogates never leave, not even when two rows would make a pair", () => {
  assert.deepEqual(values(texts(["a\ud83d", "\ude00b", "\ud800"])), ["a\ufffd", "\ufffdb", "\ufffd"]);
  assert.equal(table({ "\ud800": [1] }).names[0], "\ufffd");
});

test("a column of any format is made by its name", () => {
  for (const format of ["b", "c", "C", "s", "S", "i", "I", "l", "L", "f", "g", "u", "z", "tdD", "tdm", "tss:", "tsm:UTC", "tsu:", "tsn:", "d:5,2"]) {
    assert.equal(columnOf(format, []).format, format);
  }
  assert.throws(() => columnOf("+s", []), /format `\+s` is not known/);
});
