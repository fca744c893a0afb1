// How a plugin says no: `Refusal`, and the translation of anything thrown into the WIT variant `refusal`.
// Not here: catching (adapt.js). Easily got wrong: a value handed to the engine must have every field as a well-formed
// string, because QuickJS answers a missing field or a lone surrogate with a bare trap.

/** An answer instead of a value. Throw one; it arrives at the host as the typed refusal it names. */
export class Refusal extends Error {
  /** @param {string} tag one of the four cases @param {object | string} value its fields */
  constructor(tag, value, message) {
    super(message);
    this.name = "Refusal";
    this.tag = tag;
    this.value = value;
  }

  static denied({ code = "", permission = "", rule = "", hint = "" }) {
    return new Refusal("denied", { code, permission, rule, hint }, rule || `\`${permission}\` was not permitted`);
  }

  static invalid({ what, at = "", expected = "" }) {
    return new Refusal("invalid", { what, at, expected }, sentence(what, at, expected));
  }

  static unavailable(reason) {
    return new Refusal("unavailable", reason, reason);
  }

  static other(message, stack = "") {
    return new Refusal("other", { message, stack }, message);
  }
}

const fields = {
  denied: ["code", "permission", "rule", "hint"],
  invalid: ["what", "at", "expected"],
  other: ["message", "stack"],
};

/**
 * The WIT `refusal` for whatever was thrown. Refusals and values of their shape (a refusal that an imported function
 * answered) keep their case; everything else is `other` with message and stack.
 */
export function toWit(thrown, mapStack = (stack) => stack) {
  try {
    if (thrown instanceof Refusal) return shaped(thrown.tag, thrown.value) ?? problem(thrown, mapStack);
    const answered = payload(thrown);
    return (answered && shaped(answered.tag, answered.val)) ?? problem(thrown, mapStack);
  } catch {
    // A thrown value may itself throw when it is looked at (a getter, a proxy).
    return { tag: "other", val: { message: "something was thrown that cannot be described", stack: "" } };
  }
}

/** A refusal thrown by an imported host function, as a `Refusal`; anything else unchanged. */
export function fromWit(thrown) {
  const { tag, val } = payload(thrown) ?? {};
  if (tag === "denied") return Refusal.denied(val);
  if (tag === "invalid") return Refusal.invalid(val);
  if (tag === "unavailable") return Refusal.unavailable(val);
  if (tag === "other") return Refusal.other(val.message, val.stack);
  return thrown;
}

/** Text that may cross the boundary: lone surrogates become U+FFFD. */
export function wellFormed(value) {
  return String(value ?? "").toWellFormed();
}

/**
 * The variant inside of what an imported function threw: the engine wraps it in an Error with `payload`; in a list of
 * results, and where an author throws one himself, it stands bare.
 */
function payload(thrown) {
  const value = thrown instanceof Error ? thrown.payload : thrown;
  return value !== null && typeof value === "object" && typeof value.tag === "string" ? value : null;
}

function shaped(tag, value) {
  if (tag === "unavailable") return { tag, val: wellFormed(value) };
  if (!Object.hasOwn(fields, tag)) return null;
  return { tag, val: Object.fromEntries(fields[tag].map((name) => [name, wellFormed(value?.[name])])) };
}

function problem(thrown, mapStack) {
  if (!(thrown instanceof Error)) {
    const text = typeof thrown === "object" && thrown !== null ? JSON.stringify(thrown) : String(thrown);
    return { tag: "other", val: { message: wellFormed(`thrown: ${text}`), stack: "" } };
  }
  const message = wellFormed(`${thrown.name}: ${thrown.message}`);
  const causes = thrown.cause === undefined ? "" : `caused by ${thrown.cause}\n${mapStack(thrown.cause?.stack ?? "")}`;
  return { tag: "other", val: { message, stack: wellFormed(mapStack(thrown.stack ?? "") + causes) } };
}

function sentence(what, at, expected) {
  return `${what}${at ? ` at ${at}` : ""}${expected ? `; expected ${expected}` : ""}`;
}
