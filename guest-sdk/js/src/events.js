// Events through `plugwork:host/events`. Only for plugins whose `plugin.toml` imports that interface.
// Not here: receiving, which is the point `eventHandler` and needs no import. Easily got wrong: from the first `subscribe` on
// only what was subscribed to comes, not everything that was granted. What is not of the WIT's type is a bare trap in the engine, a BigInt among it,
// so all that is passed on is looked at first.

import * as host from "plugwork:host/events@0.1.0";
import { fromWit, Refusal } from "./refusal.js";
import { encode } from "./utf8.js";

/** Publishes one event; the payload is text or bytes, at most 64 KiB. */
export function emit(topic, payload = "") {
  const bytes = typeof payload === "string" ? encode(payload) : payload;
  if (!(bytes instanceof Uint8Array)) throw new TypeError("the payload must be text or a Uint8Array");
  const named = text("topic", topic);
  return asked(() => host.emit(named, bytes));
}

/** Receives only this from now on, and what else was subscribed to. Answers the subscription's number. */
export function subscribe(pattern) {
  const named = text("pattern", pattern);
  return asked(() => host.subscribe(named));
}

/** As `subscribe`, for one event. */
export function once(pattern) {
  const named = text("pattern", pattern);
  return asked(() => host.once(named));
}

/**
 * Tells the plugin again of the durable events that follow a sequence, after the call that is under way. Answers the sequence from which on that is:
 * greater than `after` where what lies between is gone or was not granted yet.
 */
export function replay(after) {
  const sequence = count("sequence", after, Number.MAX_SAFE_INTEGER);
  return asked(() => host.replay(sequence));
}

/** Ends a subscription. */
export function unsubscribe(subscription) {
  const number = count("subscription", subscription, 0xffff_ffff);
  return asked(() => host.unsubscribe(number));
}

function text(what, value) {
  if (typeof value !== "string") throw new TypeError(`the ${what} must be text`);
  return value.toWellFormed();
}

function count(what, value, most) {
  if (typeof value !== "number") throw new TypeError(`the ${what} must be a number`);
  if (!Number.isInteger(value) || value < 0 || value > most) throw Refusal.invalid({ what: `there is no ${what} ${value}`, expected: `0 to ${most}` });
  return value;
}

function asked(call) {
  try {
    return call();
  } catch (thrown) {
    throw fromWit(thrown);
  }
}
