// What the chart frame may use of Vega, and nothing more. Built into vega.bundle.js as the global `plugworkVega`.
export { View, parse, logger, None } from "vega";
export { compile } from "vega-lite";
export { expressionInterpreter } from "vega-interpreter";
