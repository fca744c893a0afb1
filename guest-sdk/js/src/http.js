// The point `http-function`: the author's class on one side, the records of the WIT on the other.
// Not here: requests that a plugin sends (fetch.js). Easily got wrong: the author's object is made at the first request and
// not when the component is built, and lives as long as its instance, which the host decides.

import { callMethod, guarded } from "./guard.js";
import { Refusal, wellFormed } from "./refusal.js";
import { decode, encode } from "./utf8.js";

const types = {
  text: "text/plain; charset=utf-8",
  html: "text/html; charset=utf-8",
  json: "application/json",
};

/** The exports of the point, from the author's class. */
export function httpFunction(Author) {
  let author = null;
  return {
    handle: guarded((request, context) => {
      author ??= new Author({});
      return response(callMethod(author, "handle", new HttpRequest(request), hostContext(context)));
    }),
  };
}

/** What the client sent. */
class HttpRequest {
  constructor({ method, path, query, headers, body }) {
    this.method = method;
    this.path = path;
    this.query = query ?? null;
    this.headers = headers;
    this.body = body;
  }

  header(name) {
    const wanted = name.toLowerCase();
    const found = this.headers.find(([had]) => had === wanted);
    return found ? decode(found[1]) : null;
  }

  text() {
    return decode(this.body);
  }

  json() {
    try {
      return JSON.parse(this.text());
    } catch (error) {
      throw Refusal.invalid({ what: `the body is not JSON: ${error.message}`, expected: "JSON" });
    }
  }
}

function hostContext({ scheme, authority, clientAddress, principal, requestId, routeParameters }) {
  const known = principal ? { name: principal.name, claims: JSON.parse(principal.claims) } : null;
  return { scheme, authority, clientAddress, principal: known, requestId, routeParameters: Object.fromEntries(routeParameters) };
}

function response(answer) {
  const given = typeof answer === "string" ? { text: answer } : answer;
  if (given === null || typeof given !== "object") throw new TypeError("`handle` must answer text, or an object such as `{ status, headers, json }`");
  const kinds = ["text", "html", "json", "body"].filter((kind) => given[kind] !== undefined);
  if (kinds.length > 1) throw new TypeError(`\`handle\` answered \`${kinds.join("` and `")}\`: one of them is the body`);
  const [kind] = kinds;
  const status = given.status ?? 200;
  if (!Number.isInteger(status) || status < 200 || status > 599) throw new RangeError(`\`handle\` answered status ${status}; 200 to 599 are there`);
  const headers = fields(given.headers ?? {});
  if (types[kind] && !headers.some(([name]) => name.toLowerCase() === "content-type")) headers.push(["content-type", encode(types[kind])]);
  return { status, headers, body: bodyOf(kind, given) };
}

function fields(headers) {
  const pairs = typeof headers[Symbol.iterator] === "function" ? [...headers] : Object.entries(headers);
  return pairs.map(([name, value]) => [wellFormed(name), value instanceof Uint8Array ? value : encode(String(value))]);
}

function bodyOf(kind, given) {
  if (kind === undefined) return new Uint8Array(0);
  if (kind === "body") {
    if (!(given.body instanceof Uint8Array)) throw new TypeError("`body` must be a Uint8Array: use `text` for text");
    return given.body;
  }
  const text = kind === "json" ? JSON.stringify(given.json) : given[kind];
  if (typeof text !== "string") throw new TypeError(`\`${kind}\` of the answer does not become text`);
  return encode(text);
}
