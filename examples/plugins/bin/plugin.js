// The transformer: one more text column, the class of each value. Not here: where the classes begin and end
// (classes.js). Easily got wrong: every batch must answer the same columns, so the new one is there even in a batch
// without rows.

import { definePlugin, Refusal, texts } from "@plugwork/guest";
import { byEdges, bySteps } from "./classes.js";

class Bin {
  static summary = "Adds a text column with the class of each value of a numeric column.";
  static options = {
    type: "object",
    additionalProperties: false,
    required: ["column"],
    oneOf: [{ required: ["edges"] }, { required: ["step"] }],
    properties: {
      column: { type: "string", minLength: 1, description: "The numeric column." },
      into: { type: "string", minLength: 1, maxLength: 128, description: "The new column; default: the column's name with `-class`." },
      edges: {
        type: "array", items: { type: "number" }, minItems: 1, maxItems: 256,
        description: "Where one class ends and the next begins, rising. A value on an edge is in the upper class.",
      },
      labels: {
        type: "array", items: { type: "string" }, minItems: 2, maxItems: 257,
        description: "With `edges`: a name for each class, one more than edges. Default: `below 3`, `3 to 5`, `5 and above`.",
      },
      step: { type: "number", exclusiveMinimum: 0, description: "Instead of edges: classes of this width." },
      start: { type: "number", default: 0, description: "With `step`: a value at which some class begins." },
    },
  };

  #classOf;

  constructor({ column, into = `${column}-class`, edges, labels, step, start }) {
    this.column = column;
    this.into = into;
    this.#classOf = edges ? byEdges(edges, labels) : bySteps(step, start, labels);
  }

  apply(batch) {
    if (batch.has(this.into) && this.into !== this.column) {
      throw Refusal.invalid({ what: `there is a column \`${this.into}\` already`, at: "/into", expected: "a name that is not in use" });
    }
    return batch.with({ [this.into]: texts(Array.from(batch.column(this.column).numbers(), this.#classOf)) });
  }
}

export default definePlugin({ transformer: Bin });
