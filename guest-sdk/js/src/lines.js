// Stack traces in terms of the author's files: the build appends a table of lines to the bundle, this reads it.
// Not here: making that table (the build, `javascript/lines.rs`). Easily got wrong: without the table (node, an engine
// in a test) a stack is left exactly as it is.

/** Where the build leaves its table: `{ bundle, sources, runs }`. */
export const linesKey = Symbol.for("plugwork:lines");

/** `stack` with positions in the bundle replaced by file and line of the source they came from. */
export function mapStack(stack) {
  const table = globalThis[linesKey];
  if (!table || typeof stack !== "string") return String(stack);
  return stack.replace(/\/?([\w.-]+\.js):(\d+)(?::\d+)?/g, (position, file, line) => {
    const found = file === table.bundle ? sourceOf(table, Number(line)) : null;
    return found ?? position;
  });
}

/**
 * `runs` is a flat list of triples (first bundle line, source number, source line), rising; within a run bundle and
 * source advance together. Source -1: lines of the bundler itself.
 */
function sourceOf({ sources, runs }, line) {
  let low = 0;
  let high = runs.length / 3;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (runs[3 * middle] <= line) low = middle + 1;
    else high = middle;
  }
  if (low === 0) return null;
  const [first, source, sourceLine] = runs.slice(3 * (low - 1), 3 * low);
  return source < 0 ? null : `${sources[source]}:${sourceLine + line - first}`;
}
