/* What every explorer draws with: SVG as text, pixels on a canvas, panels in a grid. */
(() => {
  "use strict";
  const live = (globalThis.segkitLive ??= { kinds: {}, data: {} });
  const { clamp } = live;
  const esc = (s) => String(s).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
  const COLOURS = {
    ink: "#222222",
    faint: "#767676",
    blue: "#0072B2",
    orange: "#E69F00",
    vermilion: "#D55E00",
    pale: "#9cc9e4",
  };
  const tag = (name, props, text = "") =>
    `<${name} ${Object.entries(props)
      .map(([k, v]) => `${k}="${esc(v)}"`)
      .join(" ")}>${text}</${name}>`;
  const rect = (x, y, width, height, fill, more = {}) =>
    tag("rect", { x, y, width: Math.max(width, 0), height: Math.max(height, 0), fill, ...more });
  const frame = (x, y, w, h, stroke, more = {}) =>
    rect(x, y, w, h, "none", { stroke, "stroke-width": 2.5, "vector-effect": "non-scaling-stroke", ...more });
  const path = (points, stroke, more = {}) =>
    tag("polyline", {
      points: points.map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`).join(" "),
      fill: "none",
      stroke,
      "stroke-width": 1.8,
      "vector-effect": "non-scaling-stroke",
      ...more,
    });
  const text = (x, y, words, more = {}) =>
    tag("text", { x, y, fill: COLOURS.ink, "font-size": 12, ...more }, esc(words));
  const dot = (cx, cy, r, fill, more = {}) => tag("circle", { cx, cy, r, fill, ...more });
  const ring = (width, row, column, more = {}) =>
    dot(column + 0.5, row + 0.5, width / 28, "none", {
      stroke: COLOURS.orange,
      "stroke-width": 2.2,
      "vector-effect": "non-scaling-stroke",
      ...more,
    });
  const DASHED = { "stroke-dasharray": "2 3", "stroke-width": 1.6 };

  /** Axes of a chart 400 units wide: places of numbers, and a frame with ticks [[value, words] …] and names. */
  function axes({
    x,
    y,
    log = false,
    xticks,
    yticks,
    xname = "",
    yname = "",
    height = 210,
    left = 44,
    bottom = 38,
    top = 8,
  }) {
    const scale = log ? Math.log : (v) => v,
      right = 390;
    const X = (v) => left + ((scale(v) - scale(x[0])) / (scale(x[1]) - scale(x[0]) || 1)) * (right - left);
    const Y = (v) => height - bottom - ((v - y[0]) / (y[1] - y[0] || 1)) * (height - bottom - top);
    const value = (u) => {
      const t = ((u * 400 - left) / (right - left)) * (scale(x[1]) - scale(x[0])) + scale(x[0]);
      return log ? Math.exp(t) : t;
    };
    const floor = height - bottom,
      thin = { "stroke-width": 1 };
    const under =
      path(
        [
          [left, top],
          [left, floor],
          [right, floor],
        ],
        COLOURS.faint,
        thin,
      ) +
      xticks
        .map(
          ([v, words]) =>
            path(
              [
                [X(v), floor],
                [X(v), floor + 4],
              ],
              COLOURS.faint,
              thin,
            ) + text(X(v), floor + 16, words, { "text-anchor": "middle", "font-size": 11 }),
        )
        .join("") +
      yticks
        .map(
          ([v, words]) =>
            path(
              [
                [left - 4, Y(v)],
                [left, Y(v)],
              ],
              COLOURS.faint,
              thin,
            ) + text(left - 6, Y(v) + 4, words, { "text-anchor": "end", "font-size": 11 }),
        )
        .join("") +
      text((left + right) / 2, height - 4, xname, { "text-anchor": "middle" }) +
      text(12, (top + floor) / 2, yname, { "text-anchor": "middle", transform: `rotate(-90 12 ${(top + floor) / 2})` });
    return { X, Y, value, under, width: 400, height };
  }
  /** Bars under each other: [{name, value 0–1, words, ghost, colour}]. */
  function bars(rows, { left = 150, step = 22 } = {}) {
    const right = 340,
      at = (v) => left + clamp(v, 0, 1) * (right - left);
    return {
      width: 400,
      height: rows.length * step + 4,
      inside:
        path(
          [
            [at(1), 0],
            [at(1), rows.length * step],
          ],
          "#bbbbbb",
          { "stroke-width": 1 },
        ) +
        rows
          .map((r, i) => {
            const y = i * step + 4;
            return (
              text(left - 6, y + 12, r.name, { "text-anchor": "end" }) +
              rect(left, y, at(r.value || 0) - left, step - 8, r.colour ?? COLOURS.blue) +
              (r.ghost === undefined ? "" : rect(at(r.ghost) - 1.5, y - 2, 3, step - 4, r.mark ?? COLOURS.ink)) +
              text(right + 6, y + 12, r.words)
            );
          })
          .join(""),
    };
  }
  const CIVIDIS = [
    [0, 34, 78],
    [53, 69, 108],
    [102, 105, 112],
    [148, 142, 119],
    [200, 182, 94],
    [254, 232, 56],
  ];
  const cividis = (v) => {
    // 0–1
    const at = clamp(v, 0, 1) * 5,
      i = Math.min(Math.floor(at), 4);
    return CIVIDIS[i].map((c, k) => c + (at - i) * (CIVIDIS[i + 1][k] - c));
  };
  const make = (name, props = {}, ...kids) => {
    const e = Object.assign(document.createElement(name), props);
    e.append(...kids);
    return e;
  };
  const attributes = (e, named) => {
    for (const [k, v] of Object.entries(named)) e.setAttribute(k, v);
    return e;
  };

  /** Where a kind draws: panels by name, each a title over pixels, SVG or both, laid out in twelfths of the width. */
  class View {
    constructor(box) {
      this.box = box;
      this.panels = {};
    }
    panel(name, title, { span = 4, narrow = 6, tall = false, width, height } = {}) {
      const p = (this.panels[name] ??= this.#made(name, span, narrow, tall));
      if (p.title.textContent !== title) p.title.textContent = title;
      if (width) {
        p.stage.style.aspectRatio = `${width} / ${height}`;
        p.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      }
      return p;
    }
    #made(name, span, narrow, tall) {
      const svg = attributes(document.createElementNS("http://www.w3.org/2000/svg", "svg"), { "aria-hidden": "true" });
      const title = make("div", { className: "sk-title" }),
        stage = make("div", { className: "sk-stage" }, svg);
      const box = make("div", { className: `sk-panel${tall ? " sk-tall" : ""}` }, title, stage);
      box.dataset.panel = name;
      box.style.cssText = `--span:${span};--narrow:${narrow}`;
      this.box.append(box);
      return { box, title, stage, svg };
    }
    chart(name, title, { width, height, inside }, layout = {}) {
      const p = this.panel(name, title, { ...layout, width, height });
      p.svg.innerHTML = inside;
      p.stage.classList.add("sk-chart");
    }
    /** Pixels: `colour(i)` gives [r, g, b] of pixel i, row by row; `over` is SVG in pixels. */
    pixels(name, title, [height, width], colour, over = "", layout = {}) {
      const p = this.panel(name, title, { ...layout, width, height });
      if (!p.canvas) p.stage.prepend((p.canvas = make("canvas")));
      if (p.canvas.width !== width || p.canvas.height !== height) Object.assign(p.canvas, { width, height });
      const brush = p.canvas.getContext("2d"),
        made = brush.createImageData(width, height);
      for (let i = 0, n = width * height; i < n; i++) {
        const [r, g, b] = colour(i);
        made.data[4 * i] = r;
        made.data[4 * i + 1] = g;
        made.data[4 * i + 2] = b;
        made.data[4 * i + 3] = 255;
      }
      brush.putImageData(made, 0, 0);
      p.svg.innerHTML = over;
    }
    html(name, title, html, layout = {}) {
      const p = this.panel(name, title, layout);
      p.stage.innerHTML = html;
      p.stage.classList.add("sk-words");
    }
  }
  const rgb = (picture) => (i) => [picture[3 * i], picture[3 * i + 1], picture[3 * i + 2]];
  const legend = (classes, palette) =>
    classes
      .map((name, k) => `<span class="sk-key"><i style="background:rgb(${palette[k]})"></i>${esc(name)}</span>`)
      .join(" ");

  Object.assign(live, {
    esc,
    COLOURS,
    rect,
    frame,
    path,
    text,
    tag,
    dot,
    ring,
    DASHED,
    axes,
    bars,
    cividis,
    rgb,
    legend,
    make,
    attributes,
    View,
  });
})();
