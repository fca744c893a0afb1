// From a number to the name of its class, by edges or by steps. Easily got wrong: 0.3 / 0.1 is below 3 in floating
// point, so a quotient next to a whole number counts as that number.

import { Refusal } from "@plugwork/guest";

/** Classes that are remembered by step; values spread wider are still named, only slower. */
const namesMax = 10_000;

/** Half-open classes between rising `edges`; no class for NaN. */
export function byEdges(edges, labels = edgeLabels(edges)) {
  for (let at = 1; at < edges.length; at++) {
    if (!(edges[at] > edges[at - 1])) {
      throw Refusal.invalid({ what: `${edges[at]} does not come after ${edges[at - 1]}`, at: `/edges/${at}`, expected: "rising numbers" });
    }
  }
  if (labels.length !== edges.length + 1) {
    throw Refusal.invalid({ what: `${labels.length} labels for ${edges.length} edges`, at: "/labels", expected: `${edges.length + 1} labels` });
  }
  return (value) => {
    if (Number.isNaN(value)) return null;
    let low = 0;
    let high = edges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value < edges[middle]) high = middle;
      else low = middle + 1;
    }
    return labels[low];
  };
}

/** Classes of width `step`, one of which begins at `start`; no class for what is not finite. */
export function bySteps(step, start, labels) {
  if (labels !== undefined) {
    throw Refusal.invalid({ what: "labels without edges", at: "/labels", expected: "`edges`, or no labels" });
  }
  const names = new Map();
  return (value) => {
    if (!Number.isFinite(value)) return null;
    const steps = wholeSteps((value - start) / step);
    let name = names.get(steps);
    if (name === undefined) {
      name = `${neat(start + steps * step)} to ${neat(start + (steps + 1) * step)}`;
      if (names.size < namesMax) names.set(steps, name);
    }
    return name;
  };
}

function wholeSteps(quotient) {
  const nearest = Math.round(quotient);
  return Math.abs(quotient - nearest) < 1e-9 * Math.max(1, Math.abs(quotient)) ? nearest : Math.floor(quotient);
}

function edgeLabels(edges) {
  const inner = edges.slice(1).map((edge, at) => `${neat(edges[at])} to ${neat(edge)}`);
  return [`below ${neat(edges[0])}`, ...inner, `${neat(edges.at(-1))} and above`];
}

/** Without the digits that only floating point put there. */
function neat(value) {
  return String(Number(value.toPrecision(12)));
}
