// Keeps the hand-written types and the modules in step, as far as names go.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

const declared = async (name) => {
  const text = await readFile(new URL(`../src/${name}.d.ts`, import.meta.url), "utf8");
  return [...text.matchAll(/^export (?:class|function|const) (\w+)/gm)].map((match) => match[1]).sort();
};

for (const name of ["index", "testing"]) {
  test(`${name}.d.ts declares what ${name}.js exports`, async () => {
    assert.deepEqual(await declared(name), Object.keys(await import(`../src/${name}.js`)).sort());
  });
}

for (const name of ["fetch", "events"]) {
  test(`${name}.d.ts declares what ${name}.js exports`, async () => {
    // It cannot be imported: there is no host under node.
    const text = await readFile(new URL(`../src/${name}.js`, import.meta.url), "utf8");
    assert.deepEqual(await declared(name), [...text.matchAll(/^export (?:class|function) (\w+)/gm)].map((match) => match[1]).sort());
  });
}
