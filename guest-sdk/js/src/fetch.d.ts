// Types of `@plugwork/guest/fetch`: HTTP for plugins whose `plugin.toml` imports `plugwork:host/fetch@0.1.0`.

import type { Refusal } from "./index.js";

export interface RequestOptions {
  /** Upper case; default `GET`. */
  method?: string;
  headers?: Record<string, string>;
  /** At most 8 MiB. */
  body?: string | Uint8Array | null;
  /** For the whole exchange, 1 to 60,000; default 10,000. */
  timeoutMs?: number | null;
}

export class Response {
  readonly status: number;
  readonly ok: boolean;
  readonly headers: { name: string; value: string }[];
  readonly body: Uint8Array;
  /** The first field of that name, in any case of letters. */
  header(name: string): string | null;
  text(): string;
  json(): any;
}

/** Waits for the whole response. Follows no redirect. Throws a Refusal: `denied`, `invalid` or `unavailable`. */
export function fetch(url: string | { toString(): string }, options?: RequestOptions): Response;
/** Up to 64 requests at once; for each its response or its refusal. */
export function fetchAll(requests: ({ url: string } & RequestOptions)[]): (Response | Refusal)[];
