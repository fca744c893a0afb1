// The shipped points over tables: the author's class on one side, resource classes and `start` of the WIT on the other.
// Not here: the points that answer HTTP (http.js), receive events (event-handler.js) and guard calls (guard-point.js); interfaces of an application's own WIT (foreign.js). Easily got wrong: the order of calls is a promise of
// the WIT and is kept here, so that an author's class never sees a `push` after its `finish`.

import { eventHandler } from "./event-handler.js";
import { callMethod, guarded, settled } from "./guard.js";
import { guard } from "./guard-point.js";
import { httpFunction } from "./http.js";
import { Refusal, wellFormed } from "./refusal.js";
import { Table } from "./table.js";
import { encode, encodedLength } from "./utf8.js";

const tablesMax = 64;
const chartsMax = 16;
const chartBytesMax = 4 * 1_048_576;
const writeBytesMax = 8 * 1_048_576;
const tableName = /^[a-z0-9-]{1,64}$/;

/** The exports of each shipped point, from the author's class. */
export const points = { dataSource, transformer, analyzer, exporter, visualization, httpFunction, eventHandler, guard };

/** An author's object and where it stands: open, then draining, then finished; finished too after any refusal. */
class Work {
  constructor(name, Author, options) {
    this.name = name;
    this.stage = "open";
    this.author = new Author({ ...defaults(Author.options), ...parseOptions(options) });
  }

  /** Runs one step of it; `stages` are those in which the step is allowed. */
  step(verb, stages, run) {
    if (!stages.includes(this.stage)) {
      throw Refusal.invalid({ what: `\`${verb}\` when the ${this.name} is ${this.stage}`, expected: `\`${verb}\` while it is ${stages[0]}` });
    }
    try {
      return run();
    } catch (thrown) {
      this.stage = "finished";
      this.author = null;
      throw thrown;
    }
  }
}

function analyzer(Author) {
  class Analysis {
    #work;
    #parts = null;

    constructor(work) {
      this.#work = work;
    }

    push(input) {
      return this.#work.step("push", ["open"], () => void callMethod(this.#work.author, "push", Table.fromWit(input)));
    }

    next() {
      return this.#work.step("next", ["open", "draining", "at its end"], () => {
        if (this.#work.stage === "at its end") return null;
        this.#work.stage = "draining";
        this.#parts ??= findings(callMethod(this.#work.author, "finish"));
        const { done, value } = this.#parts.next();
        if (!done) return value;
        this.#work.stage = "at its end";
        return null;
      });
    }
  }
  return started("analysis", Author, Analysis, ["push", "next"]);
}

function* findings(found) {
  const names = new Set();
  let shape = null;
  let last = null;
  for (const [name, table] of pairs(found)) {
    if (!tableName.test(name)) throw new TypeError(`\`finish\` named a table ${JSON.stringify(name)}: use 1 to 64 of a to z, 0 to 9 and -`);
    if (name !== last) {
      if (names.has(name)) throw new TypeError(`\`finish\` came back to the table \`${name}\`: its parts must follow one another`);
      if (names.size === tablesMax) throw new RangeError(`\`finish\` answered more than ${tablesMax} tables`);
      names.add(name);
      [last, shape] = [name, null];
    }
    for (const batch of checkedTable(table, "finish").batches()) {
      shape = sameShape(shape, batch, `table \`${name}\``);
      yield { table: name, batch: batch.toWit() };
    }
  }
}

function pairs(found) {
  if (found === undefined || found === null) return [];
  if (found instanceof Table) throw new TypeError("`finish` answered a table without a name: answer `{ name: table }`");
  return typeof found[Symbol.iterator] === "function" ? found : Object.entries(found);
}

function dataSource(Author) {
  class Cursor {
    #work;
    #parts = null;

    constructor(work) {
      this.#work = work;
    }

    next() {
      return this.#work.step("next", ["open", "at its end"], () => {
        if (this.#work.stage === "at its end") return null;
        this.#parts ??= readings(callMethod(this.#work.author, "read"));
        const { done, value } = this.#parts.next();
        if (!done) return value;
        this.#work.stage = "at its end";
        return null;
      });
    }
  }
  return started("cursor", Author, Cursor, ["next"], "open");
}

function* readings(tables) {
  let shape = null;
  for (const table of tables instanceof Table ? [tables] : tables) {
    for (const batch of checkedTable(table, "read").batches()) {
      shape = sameShape(shape, batch, "the source");
      yield batch.toWit();
    }
  }
  if (shape === null) throw new TypeError("`read` handed out no table: hand out one without rows, so that its columns are known");
}

function transformer(Author) {
  class Transformation {
    #work;
    #shape = null;

    constructor(work) {
      this.#work = work;
    }

    apply(input) {
      return this.#work.step("apply", ["open"], () => {
        const answer = checkedTable(callMethod(this.#work.author, "apply", Table.fromWit(input)), "apply");
        this.#shape = sameShape(this.#shape, answer, "the transformation");
        return answer.toWit();
      });
    }
  }
  return started("transformation", Author, Transformation, ["apply"]);
}

function exporter(Author) {
  class Writer {
    #work;

    constructor(work) {
      this.#work = work;
    }

    push(input) {
      return this.#work.step("push", ["open"], () => fileBytes(callMethod(this.#work.author, "push", Table.fromWit(input)), "push"));
    }

    finish() {
      return this.#work.step("finish", ["open"], () => {
        const bytes = this.#work.author.finish ? fileBytes(callMethod(this.#work.author, "finish"), "finish") : new Uint8Array(0);
        this.#work.stage = "finished";
        return bytes;
      });
    }
  }
  return started("writer", Author, Writer, ["push", "finish"]);
}

function fileBytes(answer, method) {
  const bytes = answer === undefined || answer === null ? new Uint8Array(0) : typeof answer === "string" ? encode(answer) : answer;
  if (!(bytes instanceof Uint8Array)) throw new TypeError(`\`${method}\` must answer text or a Uint8Array`);
  if (bytes.length > writeBytesMax) throw new RangeError(`\`${method}\` answered ${bytes.length} bytes; at most ${writeBytesMax} at once`);
  return bytes;
}

function visualization(Author) {
  class Drawing {
    #work;

    constructor(work) {
      this.#work = work;
    }

    push(name, input) {
      return this.#work.step("push", ["open"], () => void callMethod(this.#work.author, "push", name, Table.fromWit(input)));
    }

    finish() {
      return this.#work.step("finish", ["open"], () => {
        const charts = [...(callMethod(this.#work.author, "finish") ?? [])].map(chart);
        if (charts.length > chartsMax) throw new RangeError(`\`finish\` answered ${charts.length} charts; at most ${chartsMax}`);
        this.#work.stage = "finished";
        return charts;
      });
    }
  }
  return started("drawing", Author, Drawing, ["push", "finish"]);
}

function chart({ name, title, description, spec, mediaType = "application/vnd.vegalite.v6+json", body = JSON.stringify(spec) }) {
  if (!tableName.test(name)) throw new TypeError(`a chart is named ${JSON.stringify(name)}: use 1 to 64 of a to z, 0 to 9 and -`);
  if (!description) throw new TypeError(`chart \`${name}\` needs a \`description\` for those who cannot see it`);
  if (typeof body !== "string") throw new TypeError(`chart \`${name}\` needs a \`spec\` (or a \`body\` of text)`);
  if (encodedLength(body) > chartBytesMax) throw new RangeError(`chart \`${name}\` has more than ${chartBytesMax} bytes: aggregate its data`);
  return { name, title: wellFormed(title), description: wellFormed(description), mediaType: wellFormed(mediaType), body: wellFormed(body) };
}

/** The resource class under its name in the WIT with guarded methods, and the function that starts one. */
function started(name, Author, Resource, methods, start = "start") {
  // Not `Resource.name`: a bundler may rename a class.
  const resourceName = name[0].toUpperCase() + name.slice(1);
  for (const method of methods) Resource.prototype[method] = guarded(Resource.prototype[method]);
  const begin = guarded((options) => new Resource(new Work(name, Author, options)));
  return { [resourceName]: Resource, [start]: begin };
}

/** The options as an object. The host has held them against the descriptor's schema already. */
export function parseOptions(text) {
  let options;
  try {
    options = JSON.parse(text);
  } catch (error) {
    throw Refusal.invalid({ what: `the options are not JSON: ${error.message}`, expected: "a JSON object" });
  }
  if (options === null || typeof options !== "object" || Array.isArray(options)) {
    throw Refusal.invalid({ what: "the options are not an object", expected: "a JSON object" });
  }
  return options;
}

/** The `default` of each property that has one, copied so that no instance can change it for the next. */
function defaults(schema) {
  const properties = Object.entries(schema?.properties ?? {}).filter(([, property]) => property?.default !== undefined);
  return JSON.parse(JSON.stringify(Object.fromEntries(properties.map(([name, property]) => [name, property.default]))));
}

function checkedTable(table, method) {
  settled(table, method);
  if (table instanceof Table) return table;
  throw new TypeError(`\`${method}\` must answer what \`table\` makes, not ${table === null ? "null" : typeof table}`);
}

function sameShape(before, batch, where) {
  const shape = batch.shape;
  if (before !== null && before !== shape) throw new TypeError(`the columns of ${where} changed from (${before}) to (${shape})`);
  return shape;
}
