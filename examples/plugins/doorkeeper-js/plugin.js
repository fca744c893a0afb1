// A guard with a list of who may call what, and an event handler that makes one summary of many denials.
// Easily got wrong: an instance remembers only its configuration. What is to be counted comes back as events, so a count never depends on
// which instance is asked.

import { definePlugin, log } from "@plugwork/guest";
import { emit } from "@plugwork/guest/events";
import { decide, readRules, summarise } from "./rules.js";

let rules = readRules({});

class Guard {
  static summary = "Lets call who is on the list.";

  check({ principal, interface: named }) {
    const decision = decide(rules, principal, named);
    if (decision !== true) tell(principal ?? "");
    return decision;
  }
}

/** What is decided does not depend on whether anybody can be told. */
function tell(principal) {
  try {
    emit("doors/denied", principal);
  } catch (refusal) {
    log.warn(`nobody is told of a denial: ${refusal.message}`);
  }
}

class Denials {
  static summary = "Counts denials and tells of many at once.";

  handle(events) {
    emit("doors/summary", JSON.stringify(summarise(events)));
  }
}

export default definePlugin({
  guard: Guard,
  eventHandler: Denials,
  init(config) {
    rules = readRules(config);
  },
});
