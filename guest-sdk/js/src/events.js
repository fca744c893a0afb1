// Events through `plugwork:host/events`. Only for plugins whose `plugin.toml` imports that interface.
// Not here: receiving, which is the point `eventHandler` and needs no import. Easily got wrong: from the first `subscribe` on
// only what was subscribed to comes, not everything that was granted.

import * as host from "plugwork:host/events@0.1.0";
import { fromWit } from "./refusal.js";
import { encode } from "./utf8.js";

/** Publishes one event; the payload is text or bytes, at most 64 KiB. */
export function emit(topic, payload = "") {
  return asked(() => host.emit(topic, typeof payload === "string" ? encode(payload) : payload));
}

/** Receives only this from now on, and what else was subscribed to. Answers the subscription's number. */
export function subscribe(pattern) {
  return asked(() => host.subscribe(pattern));
}

/** As `subscribe`, for one event. */
export function once(pattern) {
  return asked(() => host.once(pattern));
}

/**
 * Tells the plugin again of the durable events that follow a sequence, after the call that is under way. Answers the sequence from which on that is:
 * greater than `after` where what lies between is gone or was not granted yet.
 */
export function replay(after) {
  return Number(asked(() => host.replay(BigInt(after))));
}

/** Ends a subscription. */
export function unsubscribe(subscription) {
  return asked(() => host.unsubscribe(subscription));
}

function asked(call) {
  try {
    return call();
  } catch (thrown) {
    throw fromWit(thrown);
  }
}
