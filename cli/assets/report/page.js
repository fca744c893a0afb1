// The page's own script: gives each chart a frame, a few at a time, and opens what is folded before printing.
// It never makes HTML of anything a plugin said: a specification goes to its frame as a message, an error comes back as text.
"use strict";
(() => {
  const ANSWER_MS = 30_000;
  const CHARTS_AT_ONCE = 3;
  const HEIGHT_MAX_PX = 4_000;
  const part = (id) => document.getElementById(id);

  // The same document for every chart; only our own text is in it. A frame without `allow-same-origin` has an opaque origin: it
  // can reach neither this page nor the frames beside it.
  const frameDocument = () => {
    const style = part("frame-style");
    const script = (id) => `<script>${part(id).textContent}</${"script"}>`;
    return (
      '<!doctype html><html lang="en"><head><meta charset="utf-8">' +
      `<meta http-equiv="Content-Security-Policy" content="${style.dataset.policy}">` +
      '<meta name="color-scheme" content="light dark">' +
      `<style>${style.textContent}</${"style"}></head><body>` +
      '<div id="chart"></div><p id="tip" hidden></p>' +
      `${script("frame-renderer")}${script("frame-script")}</body></html>`
    );
  };

  const trouble = (figure, words) => {
    const line = figure.querySelector(".trouble");
    line.textContent = `This chart was not drawn: ${words}`;
    line.hidden = false;
    figure.querySelector(".drawing").remove();
  };

  const draw = (figure, source) =>
    new Promise((done) => {
      const frame = document.createElement("iframe");
      const finish = (words) => {
        clearTimeout(timer);
        if (words !== undefined) trouble(figure, words);
        done(words === undefined);
      };
      const timer = setTimeout(() => finish(`no answer within ${ANSWER_MS / 1000} seconds`), ANSWER_MS);
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data }) => {
        if (typeof data.height === "number") frame.height = String(Math.min(Math.max(Math.ceil(data.height), 40), HEIGHT_MAX_PX));
        if (data.state === "drawn") finish();
        if (data.state === "failed") finish(String(data.words).slice(0, 2_000));
      };
      frame.setAttribute("sandbox", "allow-scripts");
      frame.title = figure.querySelector("h3").textContent;
      frame.height = "320";
      frame.srcdoc = source;
      frame.addEventListener("load", () => {
        const description = figure.querySelector(".description").textContent;
        const specification = figure.querySelector('script[type="application/json"]').textContent;
        frame.contentWindow.postMessage({ specification, description, title: frame.title }, "*", [port2]);
      }, { once: true });
      figure.querySelector(".drawing").append(frame);
    });

  // The page counts as loaded when its charts are there: a document that is still being written keeps the load event waiting.
  // So whoever prints or photographs the page after that event gets the charts too.
  const holdLoad = () => {
    const holder = document.createElement("iframe");
    holder.hidden = true;
    document.body.append(holder);
    const inner = holder.contentDocument;
    inner.open();
    return () => {
      inner.close();
      holder.remove();
    };
  };

  const drawAll = async () => {
    const figures = [...document.querySelectorAll("figure.chart")].filter((figure) => figure.querySelector(".drawing"));
    const state = document.documentElement.dataset;
    let drawn = 0;
    if (figures.length > 0) {
      const release = holdLoad();
      const source = frameDocument();
      // A few at once share one queue, so that a chart which never ends holds up only its own place in it.
      const queue = figures.values();
      const turn = async () => {
        for (const figure of queue) if (await draw(figure, source)) drawn += 1;
      };
      await Promise.all(Array.from({ length: CHARTS_AT_ONCE }, turn));
      release();
    }
    // For tests that look at the page from outside.
    state.charts = `${drawn} of ${figures.length} drawn`;
  };

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("main details:not([open])")];
    for (const details of opened) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of opened) details.open = false;
  });

  drawAll();
})();
