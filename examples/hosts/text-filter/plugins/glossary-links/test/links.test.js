// What is linked and what is left alone; run with `node --test` in the plugin's folder.

import assert from "node:assert/strict";
import test from "node:test";
import { link } from "../links.js";

const glossary = { magnitude: "/terms/magnitude", "b-value": "/terms/b value", erdbeben: "/terms/erdbeben" };
const lookup = (term) => glossary[term.toLowerCase()];

test("links the first mention of a term and keeps its spelling", () => {
  assert.deepEqual(link("Magnitude and magnitude.", lookup), { body: "[Magnitude](/terms/magnitude) and magnitude.", links: 1 });
});

test("a term may have a hyphen and a target is escaped", () => {
  assert.equal(link("The b-value.", lookup).body, "The [b-value](/terms/b%20value).");
});

test("code, links, tags and addresses are left alone", () => {
  const text = "`magnitude` [magnitude](x) ![magnitude](y) <a magnitude> https://example.com/magnitude\n```\nmagnitude\n```\n";
  assert.deepEqual(link(text, lookup), { body: text, links: 0 });
  assert.equal(link(`${text}magnitude`, lookup).links, 1);
});

test("each word is looked up once", () => {
  const asked = [];
  link("one two one, Two (one)", (term) => void asked.push(term));
  assert.deepEqual(asked, ["one", "two"]);
});

test("words are whole words", () => {
  assert.equal(link("magnitudes Seeerdbeben", lookup).links, 0);
});
