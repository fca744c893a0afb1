// The point `guard`: the author's class on one side, the records of the WIT on the other.
// Not here: the wall between the author's code and the boundary (guard.js). Easily got wrong: a method that forgets to answer must not
// allow anything, so only `true`, `{ allow: true }` and nothing else does.

import { callMethod, guarded } from "./guard.js";

const keepMsMax = 0xffff_ffff;

/** The exports of the point, from the author's class. */
export function guard(Author) {
  let author = null;
  return {
    check: guarded((question) => {
      author ??= new Author({});
      return decision(callMethod(author, "check", { ...question, principal: question.principal ?? null, function: question.function ?? null }));
    }),
  };
}

/** What the author answered, as the WIT has it. */
function decision(answer) {
  const { allow, reason = "", keepMs = 0 } = typeof answer === "object" && answer !== null ? answer : short(answer);
  if (typeof allow !== "boolean" || typeof reason !== "string" || !Number.isInteger(keepMs) || keepMs < 0 || keepMs > keepMsMax) {
    throw new TypeError("`check` has to answer `true`, a reason why not, or `{ allow, reason, keepMs }` with a boolean, text and whole milliseconds");
  }
  return { verdict: allow ? { tag: "allow" } : { tag: "deny", val: reason.toWellFormed() }, keepMs };
}

function short(answer) {
  return typeof answer === "string" ? { allow: false, reason: answer } : { allow: answer };
}
