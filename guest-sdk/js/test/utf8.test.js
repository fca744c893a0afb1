// The codec against node's own, which is the Encoding standard.

import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, decodeAll, encode, encodedLength } from "../src/utf8.js";

const texts = ["", "plain", "é", "漢字", "😀 and \u0000", "\ufeffmark", "\ud800 lone", "x\udfff"];

test("encodes as TextEncoder does", () => {
  for (const text of texts) {
    assert.deepEqual(encode(text), new TextEncoder().encode(text));
    assert.equal(encodedLength(text), new TextEncoder().encode(text).length);
  }
});

test("decodes any bytes as TextDecoder does", () => {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let state = 7;
  const next = (below) => (state = (state * 48271) % 2147483647) % below;
  const interesting = [0x00, 0x41, 0x7f, 0x80, 0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff, 0x90, 0x9f, 0x8f];
  for (let round = 0; round < 20_000; round++) {
    const bytes = Uint8Array.from({ length: next(7) }, () => (next(4) ? interesting[next(interesting.length)] : next(256)));
    assert.equal(decode(bytes), decoder.decode(bytes), `bytes ${[...bytes]}`);
  }
});

test("refuses malformed bytes when asked to", () => {
  assert.throws(() => decode(Uint8Array.of(0xff), true), TypeError);
});

test("decodes all rows of a column at once", () => {
  const bytes = encode("aé漢b");
  assert.deepEqual(decodeAll(bytes, Int32Array.of(0, 1, 3, 3, 6, 7)), ["a", "é", "", "漢", "b"]);
});
