// Types of `@plugwork/guest`, written by hand: the tools' own typings promise typed arrays where QuickJS gives plain ones.
// The test `types.test.js` keeps names here and in index.js equal.

/** A value of one row, as `Column.get` answers it. */
export type Value = number | bigint | string | boolean | Date | Uint8Array | null;
export type TypedArray =
  | Int8Array | Uint8Array | Uint8ClampedArray | Int16Array | Uint16Array | Int32Array | Uint32Array
  | BigInt64Array | BigUint64Array | Float32Array | Float64Array;
export type Kind = "integer" | "float" | "boolean" | "text" | "bytes" | "date" | "timestamp" | "decimal";

/** One column in the Arrow layout. */
export class Column {
  private constructor();
  readonly name: string;
  /** Arrow format string, such as `g` or `tsm:UTC`. */
  readonly format: string;
  readonly kind: Kind;
  readonly rows: number;
  /** How many rows are null. */
  readonly nulls: number;
  /** A view of the values: by the format a typed array; bits for booleans; bytes for text. Null rows hold any value. */
  readonly values: TypedArray;
  /** Of text and bytes: where each row begins in `values`, and the end. */
  readonly offsets: Int32Array | null;
  /** One bit a row, 1 for present; null when no row is null. */
  readonly validity: Uint8Array | null;
  /** The time zone's name of a timestamp column, empty for none. */
  readonly zone: string | undefined;
  /** Bytes over all buffers. */
  readonly byteLength: number;
  isNull(row: number): boolean;
  /** A 64-bit integer is a number where that is exact, else a bigint; a decimal is text; dates are cut to milliseconds. */
  get(row: number): Value;
  toArray(): Value[];
  /** Numeric columns as float64, NaN for null. Shared between calls: do not write to it. */
  numbers(): Float64Array;
  /** Date and timestamp columns in milliseconds since 1970-01-01, NaN for null. Shared between calls. */
  milliseconds(): Float64Array;
  /** Text columns. Shared between calls. */
  texts(): (string | null)[];
  /** The same column under another name. */
  named(name: string): Column;
}

/** What may stand for a column: a column, a typed array, or an array whose first value tells the type. */
export type Cells =
  | Column | TypedArray
  | readonly (number | null | undefined)[] | readonly (bigint | null | undefined)[] | readonly (string | null | undefined)[]
  | readonly (boolean | null | undefined)[] | readonly (Date | null | undefined)[] | readonly (Uint8Array | null | undefined)[];
export type Columns = Record<string, Cells> | Iterable<readonly [string, Cells]>;

/** Named columns of equal length; never changed once made. */
export class Table {
  private constructor();
  readonly rows: number;
  readonly columns: readonly Column[];
  readonly names: string[];
  readonly byteLength: number;
  has(name: string): boolean;
  /** Throws a Refusal that lists the names there are. */
  column(name: string): Column;
  /** With these columns added, or replaced. */
  with(columns: Columns): Table;
  select(...names: (string | string[])[]): Table;
  without(...names: (string | string[])[]): Table;
  filter(keep: (row: number) => boolean): Table;
  take(rows: ArrayLike<number>): Table;
  slice(start: number, end?: number): Table;
  toRows(): Record<string, Value>[];
  /** Parts within the limits of a batch (8,192 rows, 1 MiB). Points do this themselves. */
  batches(): Generator<Table>;
}

export function table(columns: Columns): Table;
/** `formats` gives each column's name and Arrow format; a missing field is null. */
export function tableFromRows(formats: Record<string, string>, rows: readonly Record<string, unknown>[]): Table;

type Cell<T> = T | null | undefined;
type Moment = Cell<Date | number | string>;
export function int8(values: Int8Array | readonly Cell<number>[]): Column;
export function uint8(values: Uint8Array | readonly Cell<number>[]): Column;
export function int16(values: Int16Array | readonly Cell<number>[]): Column;
export function uint16(values: Uint16Array | readonly Cell<number>[]): Column;
export function int32(values: Int32Array | readonly Cell<number>[]): Column;
export function uint32(values: Uint32Array | readonly Cell<number>[]): Column;
export function int64(values: BigInt64Array | readonly Cell<number | bigint>[]): Column;
export function uint64(values: BigUint64Array | readonly Cell<number | bigint>[]): Column;
export function float32(values: Float32Array | readonly Cell<number>[]): Column;
export function float64(values: Float64Array | readonly Cell<number>[]): Column;
export function texts(values: readonly Cell<string>[]): Column;
export function blobs(values: readonly Cell<Uint8Array>[]): Column;
export function booleans(values: readonly Cell<boolean>[]): Column;
/** Days, from Dates, ISO 8601 texts or milliseconds since 1970-01-01. */
export function dates(values: ArrayLike<Moment>): Column;
/** Moments, from Dates, ISO 8601 texts or milliseconds since 1970-01-01. */
export function timestamps(values: ArrayLike<Moment>, options?: { unit?: "s" | "ms" | "us" | "ns"; zone?: string }): Column;
/** From texts, whole numbers or unscaled bigints. */
export function decimals(values: readonly Cell<string | number | bigint>[], precision: number, scale: number): Column;
/** A column of any Arrow format from plain values. */
export function columnOf(format: string, values: ArrayLike<unknown>): Column;

/** Numbers the distinct values of key columns, the same over all batches. */
export class Groups {
  constructor(options?: { max?: number });
  /** The key of each group; a date's key is its milliseconds. */
  readonly keys: (number | bigint | string | boolean | null)[];
  readonly count: number;
  /** The group number of each row. */
  number(column: Column): Int32Array;
}

/** The plugin's log. `console` leads here too. */
export const log: Record<"trace" | "debug" | "info" | "warn" | "error", (message: string) => void>;

/** An answer instead of a value: throw one. Anything else that is thrown arrives as `other` with message and stack. */
export class Refusal extends Error {
  private constructor();
  readonly tag: "denied" | "invalid" | "unavailable" | "other";
  /** Not permitted; asking again changes nothing. */
  static denied(denial: { code?: string; permission?: string; rule?: string; hint?: string }): Refusal;
  /** The input or an option is wrong: what, where (`/window-hours`), and what would have been right. */
  static invalid(issue: { what: string; at?: string; expected?: string }): Refusal;
  /** Not now: asking again may help. */
  static unavailable(reason: string): Refusal;
  /** The plugin failed. */
  static other(message: string, stack?: string): Refusal;
}

/** A point's class: its constructor takes the options, with the schema's defaults filled in. */
export interface PointClass<Point, Options = any> {
  new (options: Options): Point;
  /** One line for people. */
  readonly summary: string;
  /** A JSON Schema (draft 2020-12) with `type: "object"`; default: no options. */
  readonly options?: object;
}
export interface DataSource {
  /** A generator is the simplest. At least one table, even if it has no rows; all with the same columns; of any length. */
  read(): Iterable<Table>;
}
export interface Transformer {
  /** Called for each batch; must answer the same columns every time, and no more than one batch. */
  apply(batch: Table): Table;
}
export interface Analyzer {
  push(batch: Table): void;
  /** Tables by name, of any length; a generator of pairs may hand out a table in parts that follow one another. */
  finish(): Record<string, Table> | Iterable<readonly [string, Table]> | void;
}
export interface Exporter {
  push(batch: Table): string | Uint8Array | void;
  finish?(): string | Uint8Array | void;
}
export interface Visualization {
  push(table: string, batch: Table): void;
  finish(): Iterable<Chart>;
}
export interface Chart {
  /** For file names and links: 1 to 64 of `a` to `z`, `0` to `9` and `-`. */
  name: string;
  title: string;
  /** For those who cannot see it. */
  description: string;
  /** A Vega-Lite 6 specification with its data inline; or `body` with `mediaType`. */
  spec?: object;
  body?: string;
  mediaType?: string;
}

/** Answers HTTP requests; made once in an instance, which may be asked several times. */
export interface HttpFunction {
  handle(request: HttpRequest, context: HttpContext): HttpAnswer;
}
/** What the client sent. */
export interface HttpRequest {
  readonly method: string;
  /** Begins with `/`, percent-encoded. */
  readonly path: string;
  /** What follows the `?`, or null. */
  readonly query: string | null;
  /** Names in lower case. */
  readonly headers: readonly (readonly [string, Uint8Array])[];
  readonly body: Uint8Array;
  /** The first field of that name, in any case of letters, as text, or null. */
  header(name: string): string | null;
  /** The body as UTF-8 text. */
  text(): string;
  /** The body as JSON; throws a Refusal (`invalid`) where it is none. */
  json(): any;
}
/** What the host vouches for. */
export interface HttpContext {
  readonly scheme: string;
  readonly authority: string;
  /** Empty where the client has none. */
  readonly clientAddress: string;
  readonly principal: { readonly name: string; readonly claims: any } | null;
  readonly requestId: string;
  readonly routeParameters: Readonly<Record<string, string>>;
}
/** Text, or an answer with at most one of `text`, `html`, `json` and `body`; default status 200. */
export type HttpAnswer = string | {
  status?: number;
  headers?: Record<string, string | Uint8Array> | Iterable<readonly [string, string | Uint8Array]>;
  text?: string;
  html?: string;
  /** Anything that `JSON.stringify` takes. */
  json?: unknown;
  body?: Uint8Array;
};

/** Something that happened. */
export interface PluginEvent {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** Who published it, as the host knows: `namespace:name`, `plugwork:host` or `application`. */
  readonly source: string;
  readonly chain: number;
  /** How many plugins published in its chain until it was this event. */
  readonly hops: number;
  /** Its place among the durable events of its tenant, the same however often it comes; undefined where its topic is not durable. */
  readonly sequence?: number;
  text(): string;
  /** Throws a Refusal, `invalid`, where the payload is not JSON. */
  json(): any;
}

/** Handles 1 to 64 events, in the order in which they were queued. */
export interface EventHandler {
  handle(events: PluginEvent[]): void;
}

/** A plugin, as the host knows it. */
export interface GuardParty {
  /** `namespace:name`. */
  readonly name: string;
  readonly version: string;
  readonly digest: string;
  readonly instance: string;
}

/** A call that is about to be made. */
export interface GuardQuestion {
  /** Who the application says that it makes the call for. */
  readonly principal: string | null;
  /** The plugins that led to the call, the first caller first. */
  readonly callers: readonly GuardParty[];
  /** Who is to be called. */
  readonly plugin: GuardParty;
  readonly interface: string;
  readonly function: string | null;
}

/** Says whether calls of other plugins may be made. */
export interface Guard {
  /** `true`, a reason why not, or all of it; `keepMs`: for how long the same question need not be asked again. */
  check(question: GuardQuestion): true | string | { allow: boolean; reason?: string; keepMs?: number };
}

/** Hands memory from the version that goes to the version that comes. */
export interface Handover {
  /** What the next version is to know, in a form of the plugin's own: text or bytes, at most 16 MiB. */
  snapshot(): string | Uint8Array;
  /** Takes in what `snapshot` of that version answered, after `init`; throw to keep the version before. */
  restore(state: Uint8Array, fromVersion: string): void;
}

/** What a plugin is made of. An interface of an application's own WIT stands beside, by its name in lower camel case. */
export interface Plugin {
  dataSource?: PointClass<DataSource>;
  transformer?: PointClass<Transformer>;
  analyzer?: PointClass<Analyzer>;
  exporter?: PointClass<Exporter>;
  visualization?: PointClass<Visualization>;
  httpFunction?: PointClass<HttpFunction, {}>;
  eventHandler?: PointClass<EventHandler, {}>;
  guard?: PointClass<Guard, {}>;
  /** Called once in a new instance, with the plugin's configuration. */
  init?(config: Record<string, unknown>): void;
  shutdown?(): void;
  /** One line for people; throw a Refusal when the plugin cannot do its work. */
  health?(): string;
  /**
   * Called once, after `init`, in one instance of a version that replaces another, before that version takes any call. Bring
   * what lies in stores into this version's shape; throw to keep the version before.
   */
  migrate?(fromVersion: string): void;
  /** Needs `plugwork:plugin/handover@0.1.0` in `exports` of `plugin.toml`. */
  handover?: Handover;
  [ownInterface: string]: unknown;
}
export function definePlugin<P extends Plugin>(plugin: P): P;
