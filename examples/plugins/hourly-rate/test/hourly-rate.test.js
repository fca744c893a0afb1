// The Poisson tail against exact numbers, then the analyzer as a host sees it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { float64, table, timestamps } from "@plugwork/guest";
import { analyze, mount } from "@plugwork/guest/testing";
import hourlyRate, { rollingMeans } from "../plugin.js";
import { logFactorial, upperTail } from "../poisson.js";

const hour = 3_600_000;
const day = Date.UTC(2026, 1, 3);
const events = (...hours) => table({ time: timestamps(hours.map((at) => (at === null ? null : day + at * hour))) });

test("the tail agrees with exact arithmetic", () => {
  // Python's decimal with 300 digits: 1 - sum of the lower terms.
  const exact = [
    [1, 0.02, 0.0198013266932447], [5, 1, 0.003659846827343712], [20, 10.5, 0.005790924956386772], [3, 10.5, 0.9981653840620731],
    [11, 10.5, 0.4792618715863247], [60, 10.5, 7.461584724766636e-26], [500, 400, 8.10938107879916e-7], [400, 500, 0.9999983527807356],
    [150, 10, 8.509523870866718e-118],
  ];
  for (const [count, mean, tail] of exact) {
    assert.ok(Math.abs(upperTail(count, mean) / tail - 1) < 1e-12, `${count} or more of ${mean}: ${upperTail(count, mean)}`);
  }
});

test("the tail is certain at zero events and impossible without a rate", () => {
  assert.deepEqual([upperTail(0, 3), upperTail(1, 0), upperTail(0, 0)], [1, 0, 1]);
});

test("the tail falls with the count and rises with the mean", () => {
  for (let count = 1; count < 200; count++) assert.ok(upperTail(count + 1, 40) < upperTail(count, 40) + 1e-15);
  for (let mean = 1; mean < 200; mean++) assert.ok(upperTail(40, mean + 1) >= upperTail(40, mean) - 1e-15);
});

test("both ways to the factorial meet", () => {
  let sum = 0;
  for (let n = 1; n <= 200; n++) {
    sum += Math.log(n);
    assert.ok(Math.abs(logFactorial(n) - sum) < 1e-13 * Math.max(1, sum), `${n}`);
  }
});

test("the rolling mean leaves its own hour out and is cut at the ends", () => {
  assert.deepEqual([...rollingMeans(Int32Array.of(1, 2, 30, 4, 5), 3)], [2, 15.5, 3, 17.5, 4]);
  assert.deepEqual([...rollingMeans(Int32Array.of(0, 7, 0), 3)], [7, 0.25, 7]);
  assert.deepEqual([...rollingMeans(Int32Array.of(9), 24)], [9]);
});

test("hours without events are there, and batches may split an hour", () => {
  const { hours } = analyze(hourlyRate, { "window-hours": 3 }, [events(0, 0.5), events(0.9, 3)]);
  assert.deepEqual(hours.rows.map((row) => row.events), [3, 0, 0, 1]);
  assert.deepEqual(hours.rows.map((row) => row.hour.getTime()), [0, 1, 2, 3].map((at) => day + at * hour));
  assert.deepEqual(hours.formats, ["tsm:UTC", "i", "g", "g", "b"]);
});

test("hours before 1970 are whole hours too", () => {
  const found = analyze(hourlyRate, {}, table({ time: timestamps([-1, 1]) })).hours;
  assert.deepEqual(found.rows.map((row) => [row.hour.getTime(), row.events]), [[-hour, 1], [0, 1]]);
});

test("an hour far above its surroundings stands out, its neighbours do not", () => {
  const quiet = Array.from({ length: 96 }, (_, at) => [at + 0.1, at + 0.6]).flat();
  const swarm = Array.from({ length: 15 }, (_, at) => 48 + at / 20);
  const { hours, outliers } = analyze(hourlyRate, {}, events(...quiet, ...swarm));
  assert.deepEqual(outliers.rows.map((row) => [row.hour.getTime(), row.events]), [[day + 48 * hour, 17]]);
  assert.deepEqual(outliers.names, ["hour", "events", "rolling-mean", "probability"]);
  assert.equal(outliers.rows[0]["rolling-mean"], 2);
  assert.deepEqual(hours.rows.filter((row) => row.outlier).length, 1);
});

test("the threshold is the option's", () => {
  // 5 or more of 1: 0.00366.
  const given = events(...[0, 1, 2, 3, 4, 5, 6].map((at) => at + 0.5), ...[1, 2, 3, 4].map((at) => 3 + at / 10));
  const found = (probability) => analyze(hourlyRate, { probability, "window-hours": 24 }, given).outliers?.rows.length ?? 0;
  assert.deepEqual([found(0.0037), found(0.0036)], [1, 0]);
});

test("no events are no hours", () => {
  const { hours, outliers } = analyze(hourlyRate, {}, events());
  assert.deepEqual([hours.rows, outliers.rows], [[], []]);
});

test("rows without a time are left out and said", () => {
  const { exports, records } = mount(hourlyRate);
  const analysis = exports.analyzer.start("{}");
  analysis.push(events(0, null, null).toWit());
  analysis.next();
  assert.deepEqual(records, [{ level: "warn", message: "2 rows have no value in `time` and were left out" }]);
});

test("a span at the limit passes and one hour more is refused", () => {
  assert.equal(analyze(hourlyRate, { "hours-max": 10 }, events(0, 9)).hours.rows.length, 10);
  assert.throws(() => analyze(hourlyRate, { "hours-max": 10 }, events(0, 10)), { tag: "invalid", message: /at least 11 hours at \/hours-max/ });
  assert.throws(() => analyze(hourlyRate, { "hours-max": 2 }, events(0, 1, 2)), { tag: "invalid", message: /at least 3 hours/ });
});

test("a column that holds no moments is refused", () => {
  assert.throws(() => analyze(hourlyRate, {}, table({ time: float64([1]) })), { tag: "invalid", message: /expected a date or timestamp column/ });
});
