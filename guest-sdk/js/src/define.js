// `definePlugin`: what an author hands over, checked when the component is built rather than when it first runs.
// Not here: how it meets the WIT (adapt.js). Easily got wrong: errors thrown here end the build, so they name the point.

/** What each shipped point's class must have, by the name of its property. */
export const pointMethods = {
  dataSource: ["read"],
  transformer: ["apply"],
  analyzer: ["push", "finish"],
  exporter: ["push"],
  visualization: ["push", "finish"],
  httpFunction: ["handle"],
  eventHandler: ["handle"],
  guard: ["check"],
};
const hooks = ["init", "shutdown", "health", "migrate"];

/**
 * Declares the plugin: `export default definePlugin({ analyzer: RowCount })`. A point is a class whose constructor takes
 * the options; its static `summary` and `options` (a JSON Schema) make the descriptor. Interfaces of an application's
 * own WIT stand beside, by their name in lower camel case. `init`, `shutdown`, `health` and `migrate` are optional functions,
 * `handover` an optional object.
 */
export function definePlugin(plugin) {
  for (const [name, part] of Object.entries(plugin)) {
    if (hooks.includes(name)) {
      if (typeof part !== "function") throw new TypeError(`\`${name}\` of the plugin must be a function`);
    } else if (Object.hasOwn(pointMethods, name)) {
      checkPoint(name, part);
    } else if (part === null || (typeof part !== "object" && typeof part !== "function")) {
      throw new TypeError(`\`${name}\` of the plugin must be an object or a class with the functions of that interface`);
    }
  }
  return plugin;
}

function checkPoint(name, point) {
  if (typeof point !== "function" || !point.prototype) throw new TypeError(`\`${name}\` of the plugin must be a class`);
  const missing = pointMethods[name].filter((method) => typeof point.prototype[method] !== "function");
  if (missing.length) throw new TypeError(`class \`${point.name}\` is the \`${name}\` and needs ${missing.map((method) => `\`${method}\``).join(" and ")}`);
  if (typeof point.summary !== "string" || point.summary === "") {
    throw new TypeError(`class \`${point.name}\` needs a line that says what it does: \`static summary = "…"\``);
  }
  const schema = point.options;
  if (schema !== undefined && (schema === null || typeof schema !== "object" || schema.type !== "object")) {
    throw new TypeError(`\`static options\` of class \`${point.name}\` must be a JSON Schema with \`type: "object"\``);
  }
}
