// Runs a plugin under node as a host would, through the same wrapping that its component has: for an author's tests.
// Not here: an engine. Easily got wrong: node has clocks, Intl and a larger stack than the component; a test that passes
// here says that the logic is right, not that nothing else was used.

import { adapt } from "./adapt.js";
import { pointMethods } from "./define.js";
import { connectLog } from "./log.js";
import { fromWit } from "./refusal.js";
import { Table } from "./table.js";
import { decode, encode } from "./utf8.js";

/** The plugin's exports as a host sees them, and what it logs: `{ exports, records }`. */
export function mount(plugin) {
  const records = [];
  const host = { write: (level, message) => records.push({ level, message }), lastWords: () => {} };
  connectLog(host.write);
  const wanted = Object.keys(pointMethods).filter((name) => plugin[name] !== undefined);
  const asked = wanted.map((name) => ({ name, interface: `plugwork:points/${kebab(name)}` }));
  if (plugin.handover !== undefined) asked.push({ name: "handover", interface: "plugwork:plugin/handover" });
  const exports = adapt({ default: plugin }, host, asked);
  return { exports, records };
}

/** The tables that the plugin's analyzer finds in `input` (a table, or several parts of one), by name. */
export function analyze(plugin, options, input) {
  return answering(() => {
    const analysis = mount(plugin).exports.analyzer.start(JSON.stringify(options));
    for (const batch of batches(input)) analysis.push(batch.toWit());
    const found = {};
    for (let part = analysis.next(); part !== null; part = analysis.next()) {
      (found[part.table] ??= []).push(Table.fromWit(part.batch));
    }
    return Object.fromEntries(Object.entries(found).map(([name, parts]) => [name, joined(parts)]));
  });
}

/** What the plugin's transformer makes of each batch of `input`, as rows. */
export function transform(plugin, options, input) {
  return answering(() => {
    const transformation = mount(plugin).exports.transformer.start(JSON.stringify(options));
    return joined([...batches(input)].map((batch) => Table.fromWit(transformation.apply(batch.toWit()))));
  });
}

/** Every row that the plugin's data source hands out. */
export function read(plugin, options) {
  return answering(() => {
    const cursor = mount(plugin).exports.dataSource.open(JSON.stringify(options));
    const parts = [];
    for (let batch = cursor.next(); batch !== null; batch = cursor.next()) parts.push(Table.fromWit(batch));
    return joined(parts);
  });
}

/** The file that the plugin's exporter writes for `input`. */
export function write(plugin, options, input) {
  return answering(() => {
    const writer = mount(plugin).exports.exporter.start(JSON.stringify(options));
    const parts = Array.from(batches(input), (batch) => writer.push(batch.toWit()));
    return Uint8Array.from([...parts, writer.finish()].flatMap((part) => [...part]));
  });
}

/** The charts that the plugin draws of the tables given by name. */
export function draw(plugin, options, tables) {
  return answering(() => {
    const drawing = mount(plugin).exports.visualization.start(JSON.stringify(options));
    for (const [name, input] of Object.entries(tables)) for (const batch of batches(input)) drawing.push(name, batch.toWit());
    return drawing.finish().map((chart) => ({ ...chart, spec: JSON.parse(chart.body) }));
  });
}

/** What the plugin's HTTP function answers, with its body as text too. Everything that is not given is filled in. */
export function answer(plugin, { method = "GET", path = "/", query = null, headers = {}, body = "", ...context } = {}) {
  return answering(() => {
    const fields = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), encode(value)]);
    const request = { method, path, query, headers: fields, body: typeof body === "string" ? encode(body) : body };
    const { routeParameters = {}, ...rest } = context;
    const given = {
      scheme: "http", authority: "localhost", clientAddress: "127.0.0.1:1", requestId: "test", ...rest,
      principal: rest.principal ? { name: rest.principal.name, claims: JSON.stringify(rest.principal.claims ?? {}) } : null,
      routeParameters: Object.entries(routeParameters),
    };
    const { status, headers: answered, body: bytes } = mount(plugin).exports.httpFunction.handle(request, given);
    return { status, headers: Object.fromEntries(answered.map(([name, value]) => [name, decode(value)])), body: bytes, text: decode(bytes) };
  });
}

/** Tells the plugin's event handler of these in one call. Everything that is not given is filled in. */
export function tell(plugin, events) {
  return answering(() => {
    const given = events.map(({ payload = "", ...event }) => {
      return { topic: "test", source: "application", chain: 1, hops: 0, ...event, payload: typeof payload === "string" ? encode(payload) : payload };
    });
    mount(plugin).exports.eventHandler.handle(given);
  });
}

/** What the plugin's guard decides. Everything of the question that is not given is filled in. */
export function asks(plugin, question = {}) {
  return answering(() => {
    const party = { name: "test:plugin", version: "1.0.0", digest: `sha256:${"0".repeat(64)}`, instance: "" };
    return mount(plugin).exports.guard.check({ callers: [], plugin: party, interface: "plugwork:points/analyzer@0.1.0", ...question });
  });
}

function* batches(input) {
  for (const table of Array.isArray(input) ? input : [input]) yield* table.batches();
}

/** Rows and names together; formats stay those of the first part. */
function joined(parts) {
  return { rows: parts.flatMap((part) => part.toRows()), names: parts[0].names, formats: parts[0].columns.map((column) => column.format), parts };
}

/** A refusal as it would be caught by an author: a `Refusal`. */
function answering(run) {
  try {
    return run();
  } catch (thrown) {
    throw fromWit(thrown);
  }
}

function kebab(name) {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
