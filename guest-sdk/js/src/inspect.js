// Any value as text for a log line. Not here: where the line goes (prelude.js, log.js). Easily got wrong: it must end
// and must not throw, whatever the value is: cycles, getters that throw, arrays of a million numbers.

import { mapStack } from "./lines.js";

const depthMax = 4;
const itemsMax = 50;

/** `value` for people to read; strings inside of it are quoted. */
export function inspect(value) {
  return show(value, 0, new Set());
}

function show(value, depth, above) {
  if (typeof value === "string") return depth === 0 ? value : JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return `[function ${value.name || "without name"}]`;
  if (value === null || typeof value !== "object") return String(value);
  if (above.has(value)) return "[circular]";
  try {
    above.add(value);
    return showObject(value, depth, above);
  } catch {
    return "[cannot be shown]";
  } finally {
    above.delete(value);
  }
}

function showObject(value, depth, above) {
  if (value instanceof Error) return `${value.name}: ${value.message}\n${mapStack(value.stack ?? "")}`.trimEnd();
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "invalid date" : value.toISOString();
  if (value instanceof RegExp) return String(value);
  const name = value.constructor?.name ?? "";
  if (depth >= depthMax) return `[${name || "object"}]`;
  const inner = (item) => show(item, depth + 1, above);
  if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    const length = value.length ?? value.byteLength;
    const items = Array.from({ length: Math.min(length, itemsMax) }, (_, at) => inner(value[at]));
    return `${Array.isArray(value) ? "" : `${name} `}[${items.join(", ")}${more(length)}]`;
  }
  if (value instanceof Map) return `Map {${list([...value].slice(0, itemsMax).map(([key, item]) => `${inner(key)} => ${inner(item)}`), value.size)}}`;
  if (value instanceof Set) return `Set {${list([...value].slice(0, itemsMax).map(inner), value.size)}}`;
  const keys = Object.keys(value);
  const items = keys.slice(0, itemsMax).map((key) => `${/^[\w$]+$/.test(key) ? key : JSON.stringify(key)}: ${inner(value[key])}`);
  return `${name && name !== "Object" ? `${name} ` : ""}{${list(items, keys.length)}}`;
}

function list(items, length) {
  return items.length ? ` ${items.join(", ")}${more(length)} ` : "";
}

function more(length) {
  return length > itemsMax ? `, … ${length - itemsMax} more` : "";
}
