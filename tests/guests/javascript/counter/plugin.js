// Counts in memory, says in the log what its lifecycle is called for, and hands the count over when it is replaced.
// The same configuration makes it fail as the guest in Rust fails. Easily got wrong: the build evaluates this module once, and
// every instance begins with a copy of what it left, so `count` begins at 0 in each.

import { definePlugin, Refusal } from "@plugwork/guest";

const version = "1.0.0";
let count = 0;
let asked = {};

function failAt(place) {
  if (asked.fail !== place || (asked.version ?? version) !== version) return;
  if (asked.by === "refuse") throw Refusal.unavailable(`\`${place}\` was asked to refuse`);
  if (asked.by === "throw") throw new Error(`\`${place}\` was asked to throw`);
  if (asked.by === "loop") for (;;);
  throw Refusal.invalid({ what: `\`${asked.by}\` is no way to fail`, at: "/by", expected: "refuse, throw or loop" });
}

export default definePlugin({
  counts: {
    next() {
      failAt("next");
      return ++count;
    },
    version: () => version,
  },

  init(config) {
    console.log("init");
    asked = config;
    failAt("init");
  },

  shutdown() {
    console.log("shutdown");
    failAt("shutdown");
  },

  health() {
    console.log("health");
    failAt("health");
    return `counted to ${count}`;
  },

  migrate(fromVersion) {
    console.log(`migrate from ${fromVersion}`);
    failAt("migrate");
  },

  handover: {
    snapshot() {
      console.log(`snapshot ${count}`);
      failAt("snapshot");
      return String(count);
    },

    restore(state, fromVersion) {
      failAt("restore");
      const text = new TextDecoder().decode(state);
      if (!/^\d+$/.test(text)) throw Refusal.invalid({ what: "the state is no count", expected: "what `snapshot` answered" });
      count = Number(text);
      console.log(`restore ${count} from ${fromVersion}`);
    },
  },
});
