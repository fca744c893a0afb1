// Types of `@plugwork/guest/testing`: runs a plugin under node, for its author's tests.

import type { Chart, GuardQuestion, Plugin, Table, Value } from "./index.js";

/** All parts of a table that came out. */
export interface Found {
  rows: Record<string, Value>[];
  names: string[];
  /** Arrow format of each column. */
  formats: string[];
  parts: Table[];
}

export function analyze(plugin: Plugin, options: object, input: Table | Table[]): Record<string, Found>;
export function transform(plugin: Plugin, options: object, input: Table | Table[]): Found;
export function read(plugin: Plugin, options: object): Found;
export function write(plugin: Plugin, options: object, input: Table | Table[]): Uint8Array;
export function draw(plugin: Plugin, options: object, tables: Record<string, Table | Table[]>): (Required<Omit<Chart, "spec">> & { spec: any })[];
/** The exports as a host sees them, and what the plugin logs. */
export function mount(plugin: Plugin): { exports: Record<string, any>; records: { level: string; message: string }[] };
/** What the plugin's HTTP function answers to a request of which only what matters is given. */
export function answer(plugin: Plugin, given?: {
  method?: string; path?: string; query?: string | null; headers?: Record<string, string>; body?: string | Uint8Array;
  scheme?: string; authority?: string; clientAddress?: string; requestId?: string;
  principal?: { name: string; claims?: object }; routeParameters?: Record<string, string>;
}): { status: number; headers: Record<string, string>; body: Uint8Array; text: string };
/** What the plugin's guard decides. Throws a Refusal where it refuses. */
export function asks(plugin: Plugin, question?: Partial<GuardQuestion>): { verdict: { tag: "allow" } | { tag: "deny"; val: string }; keepMs: number };
/** Tells the plugin's event handler of these in one call. Throws a Refusal where it refuses. */
export function tell(plugin: Plugin, events: { topic?: string; payload?: string | Uint8Array; source?: string; chain?: number; hops?: number; sequence?: number | null }[]): void;
