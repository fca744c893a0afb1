// Who saves how much; run with `node --test` in the plugin's folder.

import assert from "node:assert/strict";
import test from "node:test";
import { discount } from "../discount.js";

test("one percent for every ten orders", () => {
  assert.deepEqual(discount(9, 10000), { percent: 0, savedCents: 0 });
  assert.deepEqual(discount(10, 10000), { percent: 1, savedCents: 100 });
  assert.deepEqual(discount(34, 10000), { percent: 3, savedCents: 300 });
});

test("never more than five percent", () => {
  assert.deepEqual(discount(4294967295, 10000), { percent: 5, savedCents: 500 });
});

test("cents are rounded down and none is lost in the largest total", () => {
  assert.equal(discount(10, 199).savedCents, 1);
  assert.equal(discount(50, 100000000000019).savedCents, 5000000000000);
});
