// The analyzer: counts events per hour while rows come in, then compares each hour with the hours around it.
// Not here: the Poisson tail (poisson.js). Easily got wrong: an hour is not part of its own rolling mean, because a
// swarm would otherwise raise the mean that it is measured by.

import { booleans, definePlugin, float64, int32, log, Refusal, table, timestamps } from "@plugwork/guest";
import { upperTail } from "./poisson.js";

const hourMs = 3_600_000;

class HourlyRate {
  static summary = "Events per hour with a rolling mean, and the hours that stand out of a Poisson process.";
  static options = {
    type: "object",
    additionalProperties: false,
    properties: {
      time: { type: "string", default: "time", description: "Column with the moment of each event (date or timestamp)." },
      "window-hours": {
        type: "integer", minimum: 3, maximum: 8784, default: 24,
        description: "Hours around each hour over which the mean is taken, that hour left out.",
      },
      probability: {
        type: "number", exclusiveMinimum: 0, exclusiveMaximum: 1, default: 0.001,
        description: "An hour stands out when so many events or more are less probable than this.",
      },
      "hours-max": {
        type: "integer", minimum: 1, maximum: 1_000_000, default: 100_000,
        description: "The longest time from first to last event, in hours; bounds the memory.",
      },
    },
  };

  #counts = new Map();
  #untimed = 0;

  constructor(options) {
    this.options = options;
  }

  push(batch) {
    let counted = NaN;
    let events = 0;
    // Events mostly come in order of time, so the map is asked once for a run within one hour.
    for (const ms of batch.column(this.options.time).milliseconds()) {
      const hour = Math.floor(ms / hourMs);
      if (hour === counted) {
        events++;
        continue;
      }
      this.#add(counted, events);
      counted = hour;
      events = 1;
    }
    this.#add(counted, events);
  }

  finish() {
    if (this.#untimed > 0) log.warn(`${this.#untimed} rows have no value in \`${this.options.time}\` and were left out`);
    const { first, events } = this.#series();
    const means = rollingMeans(events, this.options["window-hours"]);
    const probabilities = Float64Array.from(events, (count, hour) => upperTail(count, means[hour]));
    const outlier = Array.from(probabilities, (probability) => probability < this.options.probability);
    const hours = table({
      hour: timestamps(Float64Array.from(events, (_, hour) => (first + hour) * hourMs)),
      events: int32(events),
      "rolling-mean": float64(means),
      probability: float64(probabilities),
      outlier: booleans(outlier),
    });
    return { hours, outliers: hours.filter((hour) => outlier[hour]).without("outlier") };
  }

  #add(hour, events) {
    if (events === 0) return;
    if (Number.isNaN(hour)) {
      this.#untimed += events;
      return;
    }
    this.#counts.set(hour, (this.#counts.get(hour) ?? 0) + events);
    if (this.#counts.size > this.options["hours-max"]) throw this.#tooLong(this.#counts.size);
  }

  /** Every hour from the first event to the last, those without events too. */
  #series() {
    let [first, last] = [Infinity, -Infinity];
    for (const hour of this.#counts.keys()) {
      first = Math.min(first, hour);
      last = Math.max(last, hour);
    }
    if (first > last) return { first: 0, events: new Int32Array(0) };
    const length = last - first + 1;
    if (length > this.options["hours-max"]) throw this.#tooLong(length);
    const events = new Int32Array(length);
    for (const [hour, count] of this.#counts) events[hour - first] = count;
    return { first, events };
  }

  #tooLong(hours) {
    return Refusal.invalid({
      what: `the events span at least ${hours} hours`,
      at: "/hours-max",
      expected: `at most ${this.options["hours-max"]}, or a higher limit`,
    });
  }
}

/**
 * For each hour the mean number of events in the hours around it, itself left out. At both ends the window is cut, not
 * moved. Where nothing happened in the whole window the mean is that of half an event: a rate of exactly 0 would make a
 * single event impossible.
 */
export function rollingMeans(events, windowHours) {
  const before = Math.floor(windowHours / 2);
  const after = windowHours - before - 1;
  const sums = new Float64Array(events.length + 1);
  for (let hour = 0; hour < events.length; hour++) sums[hour + 1] = sums[hour] + events[hour];
  return Float64Array.from(events, (count, hour) => {
    const start = Math.max(0, hour - before);
    const end = Math.min(events.length, hour + after + 1);
    const around = end - start - 1;
    return around === 0 ? count : Math.max(sums[end] - sums[start] - count, 0.5) / around;
  });
}

export default definePlugin({ analyzer: HourlyRate });
