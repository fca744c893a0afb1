// What JavaScript programs expect and a QuickJS component lacks: text codecs, console, and clocks that say why not.
// Not here: the fast codec itself (utf8.js). Easily got wrong: with WASI stubbed, every clock is a bare trap that takes
// the instance with it, so each way to the time is replaced by one that throws.

import { inspect } from "./inspect.js";
import { connectLog, log } from "./log.js";
import { mapStack } from "./lines.js";
import { decode, encode } from "./utf8.js";

/**
 * Installs all of it into `globalThis`; the build's setup module calls it before the author's modules run.
 *
 * `host` is `plugwork:host/log`. `clocks`: leave the engine's clocks alone (a build that keeps WASI).
 */
export function installPrelude({ host, clocks }) {
  connectLog(host.write);
  globalThis.TextEncoder ??= Utf8Encoder;
  globalThis.TextDecoder ??= Utf8Decoder;
  globalThis.console = logConsole();
  Math.random = seededRandom(0x9e3779b9);
  if (!clocks) refuseClocks();
}

class Utf8Encoder {
  get encoding() {
    return "utf-8";
  }

  encode(text = "") {
    return encode(String(text));
  }

  encodeInto(text, target) {
    let read = 0;
    let written = 0;
    for (const character of String(text)) {
      const bytes = encode(character);
      if (written + bytes.length > target.length) break;
      target.set(bytes, written);
      read += character.length;
      written += bytes.length;
    }
    return { read, written };
  }
}

class Utf8Decoder {
  #pending = new Uint8Array(0);
  #started = false;

  constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
    if (!/^\s*(utf-?8|unicode-1-1-utf-8)\s*$/i.test(label)) throw new RangeError(`encoding \`${label}\` is not supported: use \`utf-8\``);
    this.fatal = fatal;
    this.ignoreBOM = ignoreBOM;
  }

  get encoding() {
    return "utf-8";
  }

  decode(input = new Uint8Array(0), { stream = false } = {}) {
    const given = ArrayBuffer.isView(input)
      ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
      : new Uint8Array(input);
    let bytes = given;
    if (this.#pending.length) {
      bytes = new Uint8Array(this.#pending.length + given.length);
      bytes.set(this.#pending);
      bytes.set(given, this.#pending.length);
    }
    const whole = stream ? bytes.length - unfinished(bytes) : bytes.length;
    this.#pending = bytes.slice(whole);
    const text = decode(bytes.subarray(0, whole), this.fatal);
    const first = !this.#started;
    this.#started = stream && (this.#started || text.length > 0);
    return first && !this.ignoreBOM && text.startsWith("\ufeff") ? text.slice(1) : text;
  }
}

/** How many bytes at the end begin a character that the next chunk may complete. */
function unfinished(bytes) {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) > back ? back : 0;
  }
  return 0;
}

function logConsole() {
  const counts = new Map();
  let indent = "";
  const say = (level) => (...values) => log[level](indent + format(values));
  return {
    log: say("info"),
    info: say("info"),
    debug: say("debug"),
    warn: say("warn"),
    error: say("error"),
    trace: (...values) => log.trace(`${indent}${format(values)}\n${mapStack(new Error().stack)}`),
    dir: (value) => log.info(indent + inspect(value)),
    table: (value) => log.info(indent + inspect(value)),
    assert: (held, ...values) => held || log.error(`${indent}assertion failed${values.length ? `: ${format(values)}` : ""}`),
    count: (label = "default") => {
      counts.set(label, (counts.get(label) ?? 0) + 1);
      log.info(`${indent}${label}: ${counts.get(label)}`);
    },
    group: (...values) => {
      if (values.length) log.info(indent + format(values));
      indent += "  ";
    },
    groupEnd: () => {
      indent = indent.slice(2);
    },
  };
}

function format([first, ...rest]) {
  if (typeof first !== "string") return [first, ...rest].map(inspect).join(" ");
  const text = first.replace(/%[sdifjoOc%]/g, (directive) => {
    if (directive === "%%") return "%";
    if (rest.length === 0) return directive;
    const value = rest.shift();
    if (directive === "%s") return typeof value === "object" ? inspect(value) : String(value);
    if (directive === "%d" || directive === "%f") return String(Number(value));
    if (directive === "%i") return String(Math.trunc(Number(value)));
    return directive === "%c" ? "" : inspect(value);
  });
  return [text, ...rest.map((value) => (typeof value === "string" ? value : inspect(value)))].join(" ");
}

/**
 * The engine seeds its generator when the component is built, so every instance would repeat numbers that nobody chose.
 * These repeat too, but the same in every build: an analysis gives the same answer twice. Not for secrets.
 */
function seededRandom(seed) {
  let state = seed;
  return () => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function refuseClocks() {
  const refuse = (name) => () => {
    throw new Error(`\`${name}\` needs a clock, and none was granted: take times from the data or from an option`);
  };
  const Engine = globalThis.Date;
  const now = refuse("Date.now");
  const withoutArguments = refuse("new Date()");
  const Clockless = new Proxy(Engine, {
    construct: (target, values, newTarget) => (values.length ? Reflect.construct(target, values, newTarget) : withoutArguments()),
    apply: () => withoutArguments(),
  });
  Engine.now = now;
  Engine.prototype.constructor = Clockless;
  globalThis.Date = Clockless;
  if (globalThis.performance) Object.defineProperty(globalThis, "performance", { value: { now: refuse("performance.now"), timeOrigin: 0 } });
}
