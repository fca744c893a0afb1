// The plugin as a host sees it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { float64, table } from "@plugwork/guest";
import { analyze } from "@plugwork/guest/testing";
import plugin from "../plugin.js";

const batch = (...values) => table({ n: float64(values) });

test("the rows of all batches are counted, nulls among them", () => {
  assert.deepEqual(analyze(plugin, {}, [batch(1, null), batch(3)]).counts.rows, [{ rows: 3 }]);
});
