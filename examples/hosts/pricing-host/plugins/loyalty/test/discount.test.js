// Who saves how much; run with `node --test` in the plugin's folder.

import assert from "node:assert/strict";
import test from "node:test";
import { discount } from "../discount.js";

test("one percent for every ten orders", () => {
  assert.deepEqual(discount(9, 10000n), { percent: 0, savedCents: 0n });
  assert.deepEqual(discount(10, 10000n), { percent: 1, savedCents: 100n });
  assert.deepEqual(discount(34, 10000n), { percent: 3, savedCents: 300n });
});

test("never more than five percent", () => {
  assert.deepEqual(discount(4294967295, 10000n), { percent: 5, savedCents: 500n });
});

test("cents are rounded down and none is lost in large totals", () => {
  assert.equal(discount(10, 199n).savedCents, 1n);
  assert.equal(discount(50, 9007199254740993n).savedCents, 450359962737049n);
});
