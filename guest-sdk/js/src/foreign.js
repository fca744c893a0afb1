// Exports of interfaces that plugwork has never heard of (an application's own WIT), passed through by name.
// Not here: the shipped points (points.js). Easily got wrong: only functions whose error type is the `refusal` can say
// what went wrong; of the others the log hears it before the engine traps.

import { guarded } from "./guard.js";
import { mapStack } from "./lines.js";
import { wakeLog } from "./log.js";
import { toWit, wellFormed } from "./refusal.js";

/**
 * @param {object} author the author's object or class with the interface's functions
 * @param {{functions: object, resources: object}} description what the build read from the WIT: for each function, and
 *   for each method, static function and constructor of each resource, its kind of error: `refusal`, `text`, `other`, `empty` or `none`
 * @param {{lastWords: Function}} host
 */
export function foreign(name, author, { functions, resources }, host) {
  const exported = {};
  const source = typeof author === "function" && author.prototype ? new author() : author;
  for (const [method, errors] of Object.entries(functions)) {
    if (typeof source[method] !== "function") throw new TypeError(`the plugin exports \`${name}\`, which needs a function \`${method}\``);
    exported[method] = caught((...values) => source[method](...values), errors, method, host);
  }
  for (const [resource, description] of Object.entries(resources)) {
    const Author = source[resource] ?? author[resource];
    if (typeof Author !== "function") throw new TypeError(`the plugin exports \`${name}\`, which needs a class \`${resource}\``);
    exported[resource] = wrapped(Author, resource, description, host);
  }
  return exported;
}

function wrapped(Author, resource, { methods, statics, creates }, host) {
  for (const [method, errors] of Object.entries(methods)) {
    const inner = Author.prototype[method];
    if (typeof inner !== "function") throw new TypeError(`class \`${resource}\` needs a method \`${method}\``);
    // In place: what the author's own functions answer are instances of this class.
    Author.prototype[method] = caught(inner, errors, `${resource}.${method}`, host);
  }
  for (const [method, errors] of Object.entries(statics)) {
    if (typeof Author[method] !== "function") throw new TypeError(`class \`${resource}\` needs a static method \`${method}\``);
    Author[method] = caught(Author[method].bind(Author), errors, `${resource}.${method}`, host);
  }
  if (!creates) return Author;
  const construct = caught((values) => Reflect.construct(Author, values), "none", resource, host);
  return new Proxy(Author, { construct: (_, values) => construct(values) });
}

function caught(inner, errors, method, host) {
  const run = function (...values) {
    const answer = inner.apply(this, values);
    if (typeof answer?.then === "function") throw new TypeError(`\`${method}\` answered a promise: calls are synchronous, so remove \`async\``);
    return answer;
  };
  if (errors === "refusal") return guarded(run);
  return function (...values) {
    wakeLog();
    try {
      return run.apply(this, values);
    } catch (thrown) {
      // A value of the function's own error type is the author's typed answer.
      if (errors === "other" && !(thrown instanceof Error)) throw thrown;
      if (errors === "text" && typeof thrown === "string") throw thrown.toWellFormed();
      const { tag, val } = toWit(thrown, mapStack);
      const { message, stack } = tag === "other" ? val : { message: wellFormed(thrown?.message ?? tag), stack: "" };
      if (errors === "text") throw message;
      if (errors === "empty") {
        // The error has no room for words, so the log gets them.
        host.write("error", `${method}: ${message}\n${stack}`);
        throw undefined;
      }
      host.lastWords(message, stack);
      throw thrown;
    }
  };
}
