// From the author's module to the exports of the world; called by the entry module that the build writes.
// Not here: a point's rules (points.js). Easily got wrong: this runs at build time, once; what it throws ends the build,
// and what it computes (the descriptor) is in the component as data.

import { guarded, settled } from "./guard.js";
import { foreign } from "./foreign.js";
import { handover } from "./handover.js";
import { parseOptions, points } from "./points.js";
import { encodedLength } from "./utf8.js";
import { wellFormed } from "./refusal.js";

const descriptorBytesMax = 65_536;
/** What the SDK adapts itself, by the name of its property. */
const shipped = { ...points, handover };

/**
 * @param {object} module the author's module; its default export is what `definePlugin` answered, and interfaces may
 *   also be named exports
 * @param {{write: Function, lastWords: Function}} host `plugwork:host/log`
 * @param {{interface: string, name: string, description?: object}[]} exports the world's exports beside the lifecycle:
 *   WIT name without version, name in lower camel case, and for an application's own interface what foreign.js needs
 */
export function adapt(module, host, exports) {
  const plugin = module.default ?? {};
  const adapted = {};
  const described = {};
  for (const wanted of exports) {
    const part = plugin[wanted.name] ?? module[wanted.name];
    if (part === undefined) {
      throw new TypeError(
        `the plugin exports \`${wanted.interface}\` (\`plugin.toml\`), but its module has no \`${wanted.name}\`: ` +
          `add it to \`definePlugin({ ${wanted.name}: … })\``,
      );
    }
    adapted[wanted.name] = wanted.description ? foreign(wanted.name, part, wanted.description, host) : shipped[wanted.name](part);
    if (typeof part.summary === "string") {
      const schema = part.options ?? { type: "object", additionalProperties: false };
      described[wanted.interface] = { summary: part.summary, options: schema };
    }
  }
  refuseUnexported(plugin, exports);
  adapted.lifecycle = lifecycle(plugin, described);
  return adapted;
}

function lifecycle(plugin, described) {
  const descriptor = wellFormed(JSON.stringify({ points: described }));
  const length = encodedLength(descriptor);
  if (length > descriptorBytesMax) throw new RangeError(`the descriptor has ${length} bytes; at most ${descriptorBytesMax}: shorten the options' schema`);
  return {
    descriptor: () => descriptor,
    init: guarded((config) => {
      const parsed = parseOptions(config);
      settled(plugin.init?.(parsed), "init");
    }),
    shutdown: guarded(() => void settled(plugin.shutdown?.(), "shutdown")),
    health: guarded(() => wellFormed(settled(plugin.health?.(), "health") ?? "ready")),
    migrate: guarded((fromVersion) => void settled(plugin.migrate?.(fromVersion), "migrate")),
  };
}

/** A point, or a handover, that the author wrote and `plugin.toml` forgot would be missing without a word. */
function refuseUnexported(plugin, exports) {
  const forgotten = Object.keys(shipped).filter((name) => plugin[name] !== undefined && !exports.some((wanted) => wanted.name === name));
  if (forgotten.length) throw new TypeError(`the module has \`${forgotten.join("`, `")}\`, but \`exports\` of \`plugin.toml\` does not name it`);
}
