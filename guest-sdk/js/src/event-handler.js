// The point `event-handler`: the author's class on one side, the records of the WIT on the other.
// Not here: publishing (events.js). Easily got wrong: whatever `handle` throws counts all events of that call as not handled.
// Those of durable topics come again, and no other does.

import { callMethod, guarded } from "./guard.js";
import { Refusal } from "./refusal.js";
import { decode } from "./utf8.js";

/** The exports of the point, from the author's class. */
export function eventHandler(Author) {
  let author = null;
  return {
    handle: guarded((events) => {
      author ??= new Author({});
      const answer = callMethod(author, "handle", events.map((event) => new Event(event)));
      if (typeof answer?.next === "function") throw new TypeError("`handle` is no generator: nothing of it was run");
    }),
  };
}

/** Something that happened. */
class Event {
  constructor({ topic, payload, source, chain, hops, sequence }) {
    this.topic = topic;
    this.payload = payload;
    this.source = source;
    // The engine makes numbers of 64 bits doubles: these two are counts, far from where a double ends.
    this.chain = chain;
    this.hops = hops;
    // Of a durable topic only. The engine says null for none.
    this.sequence = sequence ?? undefined;
  }

  text() {
    return decode(this.payload);
  }

  json() {
    try {
      return JSON.parse(this.text());
    } catch (error) {
      throw Refusal.invalid({ what: `the payload is not JSON: ${error.message}`, expected: "JSON" });
    }
  }
}
