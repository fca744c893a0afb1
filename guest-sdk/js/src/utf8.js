// UTF-8 in both directions for an engine without TextEncoder and TextDecoder.
// Not here: the web-shaped classes (prelude.js). Easily got wrong: the detours are the fast way. In QuickJS a loop over
// 64 KiB takes milliseconds, while base64, `escape` and `encodeURIComponent` are native and take a tenth of one.

const beyondAscii = /[^\x00-\x7f]/;
const hasBase64 = typeof Uint8Array.fromBase64 === "function";

/** The UTF-8 bytes of `text`; lone surrogates become U+FFFD. */
export function encode(text) {
  const bytes = beyondAscii.test(text) ? unescape(encodeURIComponent(text.toWellFormed())) : text;
  return fromLatin1(bytes);
}

/** How many bytes `encode(text)` has. */
export function encodedLength(text) {
  return beyondAscii.test(text) ? unescape(encodeURIComponent(text.toWellFormed())).length : text.length;
}

/** The text of UTF-8 `bytes`. Malformed bytes become U+FFFD, or a TypeError when `fatal`. */
export function decode(bytes, fatal = false) {
  return decodeLatin1(toLatin1(bytes), fatal);
}

/**
 * The texts between neighbouring `offsets` of `bytes`.
 *
 * The whole buffer becomes one string with a character per byte, which is then cut: one native conversion for a column
 * instead of one for each row.
 */
export function decodeAll(bytes, offsets) {
  const whole = toLatin1(bytes);
  const ascii = !beyondAscii.test(whole);
  const texts = new Array(offsets.length - 1);
  let start = offsets[0];
  for (let row = 0; row < texts.length; row++) {
    const end = offsets[row + 1];
    const piece = whole.slice(start, end);
    texts[row] = ascii ? piece : decodeLatin1(piece, false);
    start = end;
  }
  return texts;
}

function decodeLatin1(latin1, fatal) {
  if (!beyondAscii.test(latin1)) return latin1;
  try {
    return decodeURIComponent(escape(latin1));
  } catch {
    if (fatal) throw new TypeError("the bytes are not UTF-8");
    return lossy(latin1);
  }
}

/** Decodes what is right and replaces what is not, one U+FFFD for each maximal wrong part (as the Encoding standard does). */
function lossy(latin1) {
  const right =
    /[\x00-\x7f]+|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|(?:\xe0[\xa0-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]|\xed[\x80-\x9f]|\xf0[\x90-\xbf][\x80-\xbf]?|[\xf1-\xf3][\x80-\xbf]{1,2}|\xf4[\x80-\x8f][\x80-\xbf]?|[^])/g;
  return latin1.replace(right, (part) => {
    if (part.charCodeAt(0) < 0x80) return part;
    try {
      return decodeURIComponent(escape(part));
    } catch {
      return "\ufffd";
    }
  });
}

/** One character for each byte. */
export function toLatin1(bytes) {
  if (hasBase64) return atob(bytes.toBase64());
  let text = "";
  for (let start = 0; start < bytes.length; start += 8192) {
    text += String.fromCharCode.apply(null, bytes.subarray(start, start + 8192));
  }
  return text;
}

/** One byte for each character, all of which are below U+0100. */
export function fromLatin1(text) {
  if (hasBase64) return Uint8Array.fromBase64(btoa(text));
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}
