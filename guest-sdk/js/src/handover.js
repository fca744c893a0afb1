// The handover of memory from the version that goes to the version that comes: an object with `snapshot` and `restore`.
// Not here: moving what lies in stores, which is `migrate` (adapt.js). Easily got wrong: the snapshot is one instance's, and a
// host has as many as it needs.

import { callMethod, guarded } from "./guard.js";
import { encode } from "./utf8.js";

const snapshotBytesMax = 16 * 1_048_576;

/** The exports of `plugwork:plugin/handover`, from the author's object. */
export function handover(author) {
  for (const method of ["snapshot", "restore"]) {
    if (typeof author?.[method] !== "function") throw new TypeError(`\`handover\` of the plugin needs a function \`${method}\``);
  }
  return {
    snapshot: guarded(() => {
      const answer = callMethod(author, "snapshot");
      const bytes = typeof answer === "string" ? encode(answer) : answer;
      if (!(bytes instanceof Uint8Array)) throw new TypeError("`snapshot` must answer text or a Uint8Array");
      if (bytes.length > snapshotBytesMax) throw new RangeError(`\`snapshot\` answered ${bytes.length} bytes; at most ${snapshotBytesMax}`);
      return bytes;
    }),
    restore: guarded((state, fromVersion) => void callMethod(author, "restore", state, fromVersion)),
  };
}
