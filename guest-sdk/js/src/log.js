// The plugin's log: five levels, to `plugwork:host/log` in a component and to the console under node.
// Not here: `console` (prelude.js). Easily got wrong: top-level code runs once, at build time, when there is no host;
// what it logs is kept and written by the first call of each instance.

import { wellFormed } from "./refusal.js";

// Taken before the prelude puts a console of its own there, which would lead back here.
const nodeConsole = globalThis.console;
const early = [];
const earlyMax = 100;
let write = null;
let awake = false;

/** One function for each level. */
export const log = {
  trace: (message) => record("trace", message),
  debug: (message) => record("debug", message),
  info: (message) => record("info", message),
  warn: (message) => record("warn", message),
  error: (message) => record("error", message),
};

/** Sets where records go; called before anything of the author's runs. */
export function connectLog(sink) {
  write = sink;
  awake = false;
}

/** Said by every export before the author's code: from here on there is a host. */
export function wakeLog() {
  if (awake) return;
  awake = true;
  for (const [level, message] of early.splice(0)) write(level, message);
}

function record(level, message) {
  const text = wellFormed(message);
  if (write === null) {
    nodeConsole?.[level](text);
  } else if (awake) {
    write(level, text);
  } else if (early.length < earlyMax) {
    early.push([level, text]);
  }
}
