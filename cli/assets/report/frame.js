// Draws one chart inside its sandboxed frame; and, started again as a worker, tries it first where it can be stopped.
// The specification is hostile. It has no network (policy and loader), no page (opaque origin), and no JavaScript: expressions
// are parsed to a tree and interpreted. It is tried in a worker because a specification can also simply never end.
"use strict";
(() => {
  const TRIAL_MS = 10_000;
  const vega = plugworkVega;
  const inWorker = typeof document === "undefined";

  const refuse = (uri) => Promise.reject(new Error(`\`${uri}\` was not loaded: a report loads nothing`));
  const loader = { load: refuse, sanitize: refuse, http: refuse, file: refuse };

  /** The colours that cannot be style sheet variables, because Vega computes with them. */
  const ramps = (dark) =>
    dark
      ? { ramp: ["#274458", "#4f8fb8", "#d7ecf8"], diverging: ["#e08a6d", "#5a646b", "#74b3da"] }
      : { ramp: ["#cfe0ea", "#5f9bbf", "#0d3a57"], diverging: ["#b3502f", "#d9dddf", "#1f5f8b"] };

  /** How charts look in a report. Variables stand in `frame.css`, so a switch of theme or a printer needs no new drawing. */
  const theme = (dark) => {
    const { ramp, diverging } = ramps(dark);
    const ink = "var(--ink)";
    const muted = "var(--muted)";
    const font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif";
    const label = { labelFont: font, labelFontSize: 12, labelColor: muted, titleFont: font, titleFontSize: 12, titleFontWeight: 600, titleColor: ink };
    const colour = "var(--series-1)";
    return {
      background: null,
      // Whoever listens to the page hears the chart's one sentence, not a thousand unnamed marks; the numbers are in the tables.
      aria: false,
      font,
      padding: 4,
      axis: { ...label, gridColor: "var(--rule)", domainColor: "var(--line)", tickColor: "var(--line)", labelPadding: 5, labelSeparation: 8, titlePadding: 10, tickSize: 4 },
      axisX: { grid: false },
      axisY: { domain: false, ticks: false },
      legend: { ...label, symbolStrokeColor: muted, orient: "bottom", titlePadding: 6 },
      header: { ...label },
      title: { font, fontSize: 14, fontWeight: 600, color: ink, subtitleFont: font, subtitleColor: muted, anchor: "start", offset: 10 },
      text: { font, color: ink, fill: ink },
      view: { stroke: null },
      // `color` and not `fill`: a mark that says `filled: false` must stay an outline.
      mark: { color: colour, aria: false },
      rule: { color: muted },
      line: { strokeWidth: 1.75 },
      geoshape: { color: "var(--land)" },
      range: { category: Array.from({ length: 8 }, (_, index) => `var(--series-${index + 1})`), ramp, heatmap: ramp, ordinal: ramp, diverging },
    };
  };

  const COMPOSED = ["concat", "hconcat", "vconcat", "repeat", "facet", "spec"];

  /** A single view is as wide as the page; the paper is the page's, and so is the sentence that says what is shown. */
  const prepare = ({ specification, description, title }) => {
    const chart = JSON.parse(specification);
    chart.description = description;
    delete chart.background;
    if (chart.config && typeof chart.config === "object") delete chart.config.background;
    const own = typeof chart.title === "object" && chart.title ? chart.title.text : chart.title;
    if (own === title) delete chart.title;
    const composed = COMPOSED.some((key) => key in chart);
    const faceted = chart.encoding && ["row", "column", "facet"].some((key) => key in chart.encoding);
    if (!composed && !faceted && !(chart.width && typeof chart.width === "object")) {
      chart.width = "container";
      chart.autosize = { type: "fit-x", contains: "padding" };
      if (typeof chart.height !== "number" && !(chart.height && typeof chart.height === "object")) chart.height = 300;
      // A map keeps its shape, so a fixed height leaves a narrow screen half empty.
      if (chart.projection && typeof chart.height === "number" && !inWorker) chart.height = Math.min(chart.height, Math.max(160, Math.round(innerWidth * 0.56)));
    }
    return chart;
  };

  /** What Vega says while it works. An error ends the chart: half a chart would be believed. */
  const listener = () => {
    const logger = vega.logger(vega.None);
    logger.errors = [];
    logger.error = (...words) => {
      logger.errors.push(words.map(say).join(" "));
      return logger;
    };
    return logger;
  };

  const say = (error) => (error instanceof Error ? error.message : String(error)).slice(0, 2_000);

  const view = (chart, dark, logger, options) => {
    const { spec } = vega.compile(chart, { config: theme(dark), logger });
    const flow = vega.parse(spec, null, { ast: true });
    return new vega.View(flow, { expr: vega.expressionInterpreter, loader, logger, ...options });
  };

  const run = async (chart, dark, options) => {
    const logger = listener();
    const drawing = view(chart, dark, logger, options);
    await drawing.runAsync();
    if (logger.errors.length > 0) {
      drawing.finalize();
      throw new Error(logger.errors[0]);
    }
    return drawing;
  };

  if (inWorker) {
    onmessage = async ({ data }) => {
      try {
        await run(prepare(data), false, { renderer: "none" });
        postMessage({ ended: true });
      } catch (error) {
        postMessage({ ended: false, words: say(error) });
      }
    };
    return;
  }

  /** Runs the chart without a picture in a worker. Ends with its error, or with ours when it takes too long. */
  const trial = (request) =>
    new Promise((done, failed) => {
      const code = [...document.scripts].map((script) => script.textContent);
      const address = URL.createObjectURL(new Blob(code, { type: "text/javascript" }));
      const worker = new Worker(address);
      const end = (act) => {
        clearTimeout(timer);
        worker.terminate();
        URL.revokeObjectURL(address);
        act();
      };
      const timer = setTimeout(() => end(() => failed(new Error(`it did not end within ${TRIAL_MS / 1000} seconds`))), TRIAL_MS);
      worker.onmessage = ({ data }) => end(() => (data.ended ? done() : failed(new Error(data.words))));
      worker.onerror = (event) => end(() => failed(new Error(event.message || "its worker did not start")));
      worker.postMessage(request);
    });

  const chart = document.getElementById("chart");
  const tip = document.getElementById("tip");

  /** Beside the pointer, inside the frame, as text. */
  const tooltip = (_handler, event, _item, value) => {
    const empty = value === null || value === undefined || value === "";
    tip.hidden = empty;
    if (empty) return;
    tip.textContent =
      typeof value === "object" ? Object.entries(value).map(([name, inner]) => `${name}: ${typeof inner === "object" ? JSON.stringify(inner) : inner}`).join("\n") : String(value);
    const place = (pointer, size, room) => Math.max(2, pointer + 14 + size > room ? pointer - 14 - size : pointer + 14);
    tip.style.left = `${place(event.clientX, tip.offsetWidth, document.documentElement.clientWidth)}px`;
    tip.style.top = `${place(event.clientY, tip.offsetHeight, document.documentElement.clientHeight)}px`;
  };

  const start = async (request, port) => {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    let drawing;
    const draw = async () => {
      drawing?.finalize();
      chart.replaceChildren();
      drawing = await run(prepare(request), dark.matches, { renderer: "svg", container: chart, tooltip });
    };
    try {
      await trial(request);
      await draw();
    } catch (error) {
      port.postMessage({ state: "failed", words: say(error) });
      return;
    }
    // Only ramps depend on the theme beyond the style sheet, so a switch may fail no chart: it is drawn as it was tried.
    dark.addEventListener("change", () => draw().catch(() => {}));
    new ResizeObserver(() => port.postMessage({ height: chart.offsetHeight + 2 })).observe(chart);
    port.postMessage({ state: "drawn", height: chart.offsetHeight + 2 });
  };

  addEventListener("message", (event) => {
    if (event.source !== parent || event.ports.length !== 1) return;
    start(event.data, event.ports[0]);
  }, { once: true });
})();
