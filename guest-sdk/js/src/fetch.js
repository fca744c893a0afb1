// HTTP through `plugwork:host/fetch`. Only for plugins whose `plugin.toml` imports that interface.
// Not here: the decision what may be reached, which is the host's. Easily got wrong: it is not the web's `fetch`; it
// answers at once, follows no redirect, and throws a Refusal (`denied`, `unavailable`) instead of a TypeError.

import * as host from "plugwork:host/fetch@0.1.0";
import { fromWit } from "./refusal.js";
import { decode, encode } from "./utf8.js";

/** What came back. */
export class Response {
  constructor({ status, headers, body }) {
    this.status = status;
    this.headers = headers;
    this.body = body;
  }

  /** Whether the status is 200 to 299. */
  get ok() {
    return this.status >= 200 && this.status < 300;
  }

  /** The first field of that name, in any case of letters, or null. */
  header(name) {
    const wanted = name.toLowerCase();
    return this.headers.find((header) => header.name.toLowerCase() === wanted)?.value ?? null;
  }

  /** The body as UTF-8 text. */
  text() {
    return decode(this.body);
  }

  /** The body as JSON. */
  json() {
    return JSON.parse(this.text());
  }
}

/** Sends one request and waits for the response: `fetch(url, { method, headers: { name: value }, body, timeoutMs })`. */
export function fetch(url, options = {}) {
  try {
    return new Response(host.send(request({ url, ...options })));
  } catch (thrown) {
    throw fromWit(thrown);
  }
}

/** Sends up to 64 requests (`{ url, method, … }`) at once; for each a Response or a Refusal, in their order. */
export function fetchAll(requests) {
  const answers = host.sendAll(requests.map(request));
  return answers.map(({ tag, val }) => (tag === "ok" ? new Response(val) : fromWit(val)));
}

function request({ url, method = "GET", headers = {}, body = null, timeoutMs = null }) {
  return {
    method,
    url: String(url).toWellFormed(),
    headers: Object.entries(headers).map(([name, value]) => ({ name, value: String(value).toWellFormed() })),
    body: typeof body === "string" ? encode(body) : body,
    timeoutMs,
  };
}
