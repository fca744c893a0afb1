// Does as it is told: by events as an event handler, and says on `puppet/said` what came of it; by the principal as a guard.
// The same words do the same in the guests of the other languages. Easily got wrong: `trap` is the one throw that nothing catches, the end of the
// engine's stack.

import { definePlugin, Refusal } from "@plugwork/guest";
import { emit, once, replay, subscribe, unsubscribe } from "@plugwork/guest/events";

class Handler {
  static summary = "Does as it is told.";

  handle(events) {
    for (const event of events) {
      const heard = () => `heard ${event.topic} ${event.text()} from ${event.source} after ${event.hops} hops, number ${event.sequence ?? "none"}`;
      emit("puppet/said", event.topic === "puppet/do" ? obeyed(event.text()) : heard());
    }
  }
}

const orders = {
  emit(rest) {
    const [topic, ...text] = rest.split(" ");
    emit(topic, text.join(" "));
    return "emitted";
  },
  "emit-bytes"(rest) {
    emit("news/bytes", new Uint8Array(Number(rest)).fill(120));
    return "emitted";
  },
  subscribe: (rest) => `subscription ${subscribe(rest)}`,
  once: (rest) => `subscription ${once(rest)}`,
  unsubscribe(rest) {
    unsubscribe(Number(rest));
    return "ended";
  },
  replay: (rest) => `from ${replay(Number(rest))}`,
  wrong() {
    const tries = [() => emit(7), () => emit("news/a", {}), () => subscribe(), () => once(null), () => replay("1"), () => replay(1n), () => unsubscribe(true)];
    const counts = [() => replay(-1), () => replay(2 ** 53), () => unsubscribe(2 ** 32), () => unsubscribe(0.5), () => emit("news/\ud800", "\ud800")];
    return [...tries, ...counts].map(outcome).join(" ");
  },
  throw() {
    throw new Error("the test asked for it");
  },
};

function outcome(attempt) {
  try {
    attempt();
    return "done";
  } catch (thrown) {
    return thrown.tag ?? thrown.name;
  }
}

/** What came of it: a refusal of the host in words, and the puppet's own as it is. */
function obeyed(order) {
  const [verb, ...rest] = order.split(" ");
  if (!Object.hasOwn(orders, verb)) throw Refusal.invalid({ what: `\`${verb}\` is no order` });
  try {
    return orders[verb](rest.join(" "));
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    return refusal.tag === "denied" ? `denied ${refusal.value.code}` : refusal.tag;
  }
}

class Guard {
  static summary = "Decides as it is told.";

  check(question) {
    switch (question.principal) {
      case "allow":
        return true;
      case "keep":
        return { allow: false, reason: "no for long", keepMs: 60_000 };
      case "tell":
        return told(question);
      case "refuse":
        throw Refusal.unavailable("the test is closed");
      case "throw":
        throw new Error("the test asked for it");
      case "trap":
        return descend(1);
      case "forget":
        return undefined;
      default:
        return "no\nin two lines";
    }
  }
}

const descend = (depth) => 1 + descend(depth + 1);

/** All that it is told, in one line. */
function told({ plugin, callers, interface: named, function: called }) {
  const isDigest = plugin.digest.startsWith("sha256:") && plugin.digest.length === 71;
  const names = callers.map((caller) => ` by ${caller.name}`).join("");
  return `${plugin.name} ${plugin.version} \`${plugin.instance}\` ${isDigest} ${named} ${called ?? "none"}${names}`;
}

export default definePlugin({ eventHandler: Handler, guard: Guard });
