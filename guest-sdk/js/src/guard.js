// The wall between the author's code and the boundary: every export goes through `guarded`.
// Not here: which exports there are (points.js, foreign.js). Easily got wrong: only a refusal may leave. Anything else
// that is thrown out of an export becomes a bare trap in the engine.

import { mapStack } from "./lines.js";
import { wakeLog } from "./log.js";
import { toWit } from "./refusal.js";

/** `run`, such that whatever it throws arrives as the WIT `refusal`. */
export function guarded(run) {
  return function (...values) {
    wakeLog();
    try {
      return run.apply(this, values);
    } catch (thrown) {
      throw toWit(thrown, mapStack);
    }
  };
}

/** Calls the author's `method`, and says so when it is missing or answers a promise: calls are synchronous. */
export function callMethod(object, method, ...values) {
  if (typeof object?.[method] !== "function") {
    throw new TypeError(`the plugin's ${object?.constructor?.name ?? "object"} has no method \`${method}\``);
  }
  return settled(object[method](...values), method);
}

/** `value`, unless it is a promise. */
export function settled(value, method) {
  if (typeof value?.then === "function") {
    throw new TypeError(`\`${method}\` answered a promise: calls are synchronous, so remove \`async\``);
  }
  return value;
}
