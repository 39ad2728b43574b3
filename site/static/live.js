/* Explorers that live without a kernel. Classic scripts on purpose: a page from file:// may load no module and no data,
   so what an explorer needs stands in a script of its own: live.data[key] from the build, live.kinds[class] in live/.
   A kind is {compute, say, draw} and, where it needs them, {fit, point, keys}; see `run` below for who calls what. */
(() => {
  "use strict";
  const live = (globalThis.segkitLive ??= { kinds: {}, data: {} });

  // Numbers as Python writes them: a tie is rounded to the even digit ------------------------------------------------
  const fixed = (x, digits) => {
    if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
    const whole = x * 2 ** (digits + 1); // an exact tie has no more binary digits than this
    if (Number.isInteger(whole)) {
      const twice = whole * 5 ** digits;
      if (Math.abs(twice) % 2 === 1) {
        const below = Math.floor(twice / 2);
        return ((below % 2 ? below + 1 : below) / 10 ** digits).toFixed(digits);
      }
    }
    return x.toFixed(digits);
  };
  const general = (x, digits = 6) => {
    if (!x || !Number.isFinite(x)) return x ? fixed(x, 0) : "0";
    const after = digits - 1 - Math.floor(Math.log10(Math.abs(x)));
    return String(Number(after >= 0 ? fixed(x, Math.min(after, 100)) : x.toPrecision(digits)));
  };
  const commas = (x) => fixed(x, 0).replace(/\B(?=(\d{3})+$)/g, ",");
  const amount = (x, unit = "") => {
    for (const [prefix, step] of [["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3]])
      if (x >= step) return `${fixed(x / step, 1)} ${prefix}${unit}`;
    return `${general(x)} ${unit}`.trim();
  };
  const even = (x) => Number(fixed(x, 0)); // Python's round()
  const range = (low, high) => Array.from({ length: Math.max(high - low + 1, 0) }, (_, i) => low + i);
  const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
  class Refused extends Error {} // a combination that cannot be, with the reason for the reader

  // Data: {z, shape, type} is a compressed array -----------------------------------------------------------------------
  const TYPES = { u8: Uint8Array, u16: Uint16Array, f32: Float32Array, f64: Float64Array };
  async function inflated({ z, shape, type }) {
    const bytes = Uint8Array.from(atob(z), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return Object.assign(new TYPES[type](await new Response(stream).arrayBuffer()), { shape });
  }
  async function unpacked(given) {
    if (given === null || typeof given !== "object") return given;
    if (typeof given.z === "string") return inflated(given);
    const made = Array.isArray(given) ? [] : {};
    for (const [name, value] of Object.entries(given)) made[name] = await unpacked(value);
    return made;
  }
  /** One map of a stack N×H×W, without a copy. */
  const slice = (stack, i) => {
    const shape = stack.shape.slice(1), size = shape.reduce((a, b) => a * b, 1);
    return Object.assign(stack.subarray(i * size, (i + 1) * size), { shape });
  };

  // Drawing: SVG as text, pixels on a canvas ---------------------------------------------------------------------------
  const esc = (s) => String(s).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
  const COLOURS = { ink: "#222222", faint: "#767676", blue: "#0072B2", orange: "#E69F00", vermilion: "#D55E00", pale: "#9cc9e4" };
  const tag = (name, props, text = "") =>
    `<${name} ${Object.entries(props).map(([k, v]) => `${k}="${esc(v)}"`).join(" ")}>${text}</${name}>`;
  const rect = (x, y, width, height, fill, more = {}) => tag("rect", { x, y, width: Math.max(width, 0), height: Math.max(height, 0), fill, ...more });
  const frame = (x, y, w, h, stroke, more = {}) => rect(x, y, w, h, "none", { stroke, "stroke-width": 2.5, "vector-effect": "non-scaling-stroke", ...more });
  const path = (points, stroke, more = {}) => tag("polyline", {
    points: points.map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`).join(" "), fill: "none", stroke, "stroke-width": 1.8, "vector-effect": "non-scaling-stroke", ...more });
  const text = (x, y, words, more = {}) => tag("text", { x, y, fill: COLOURS.ink, "font-size": 12, ...more }, esc(words));
  const dot = (cx, cy, r, fill, more = {}) => tag("circle", { cx, cy, r, fill, ...more });
  const ring = (width, row, column, more = {}) => dot(column + 0.5, row + 0.5, width / 28, "none", {
    stroke: COLOURS.orange, "stroke-width": 2.2, "vector-effect": "non-scaling-stroke", ...more });
  const DASHED = { "stroke-dasharray": "2 3", "stroke-width": 1.6 };

  /** Axes of a chart 400 units wide: places of numbers, and a frame with ticks [[value, words] …] and names. */
  function axes({ x, y, log = false, xticks, yticks, xname = "", yname = "", height = 210, left = 44, bottom = 38, top = 8 }) {
    const scale = log ? Math.log : (v) => v, right = 390;
    const X = (v) => left + ((scale(v) - scale(x[0])) / (scale(x[1]) - scale(x[0]) || 1)) * (right - left);
    const Y = (v) => height - bottom - ((v - y[0]) / (y[1] - y[0] || 1)) * (height - bottom - top);
    const value = (u) => { const t = (u * 400 - left) / (right - left) * (scale(x[1]) - scale(x[0])) + scale(x[0]); return log ? Math.exp(t) : t; };
    const floor = height - bottom, thin = { "stroke-width": 1 };
    const under = path([[left, top], [left, floor], [right, floor]], COLOURS.faint, thin)
      + xticks.map(([v, words]) => path([[X(v), floor], [X(v), floor + 4]], COLOURS.faint, thin) + text(X(v), floor + 16, words, { "text-anchor": "middle", "font-size": 11 })).join("")
      + yticks.map(([v, words]) => path([[left - 4, Y(v)], [left, Y(v)]], COLOURS.faint, thin) + text(left - 6, Y(v) + 4, words, { "text-anchor": "end", "font-size": 11 })).join("")
      + text((left + right) / 2, height - 4, xname, { "text-anchor": "middle" })
      + text(12, (top + floor) / 2, yname, { "text-anchor": "middle", transform: `rotate(-90 12 ${(top + floor) / 2})` });
    return { X, Y, value, under, width: 400, height };
  }
  /** Bars under each other: [{name, value 0–1, words, ghost, colour}]. */
  function bars(rows, { left = 150, step = 22 } = {}) {
    const right = 340, at = (v) => left + clamp(v, 0, 1) * (right - left);
    return { width: 400, height: rows.length * step + 4, inside: path([[at(1), 0], [at(1), rows.length * step]], "#bbbbbb", { "stroke-width": 1 })
      + rows.map((r, i) => {
        const y = i * step + 4;
        return text(left - 6, y + 12, r.name, { "text-anchor": "end" }) + rect(left, y, at(r.value || 0) - left, step - 8, r.colour ?? COLOURS.blue)
          + (r.ghost === undefined ? "" : rect(at(r.ghost) - 1.5, y - 2, 3, step - 4, r.mark ?? COLOURS.ink)) + text(right + 6, y + 12, r.words);
      }).join("") };
  }
  const CIVIDIS = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 182, 94], [254, 232, 56]];
  const cividis = (v) => { // 0–1
    const at = clamp(v, 0, 1) * 5, i = Math.min(Math.floor(at), 4);
    return CIVIDIS[i].map((c, k) => c + (at - i) * (CIVIDIS[i + 1][k] - c));
  };
  const make = (name, props = {}, ...kids) => { const e = Object.assign(document.createElement(name), props); e.append(...kids); return e; };
  const attributes = (e, named) => { for (const [k, v] of Object.entries(named)) e.setAttribute(k, v); return e; };

  /** Where a kind draws: panels by name, each a title over pixels, SVG or both, laid out in twelfths of the width. */
  class View {
    constructor(box) { this.box = box; this.panels = {}; }
    panel(name, title, { span = 4, narrow = 6, tall = false, width, height } = {}) {
      const p = (this.panels[name] ??= this.#made(name, span, narrow, tall));
      if (p.title.textContent !== title) p.title.textContent = title;
      if (width) { p.stage.style.aspectRatio = `${width} / ${height}`; p.svg.setAttribute("viewBox", `0 0 ${width} ${height}`); }
      return p;
    }
    #made(name, span, narrow, tall) {
      const svg = attributes(document.createElementNS("http://www.w3.org/2000/svg", "svg"), { "aria-hidden": "true" });
      const title = make("div", { className: "sk-title" }), stage = make("div", { className: "sk-stage" }, svg);
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
      const brush = p.canvas.getContext("2d"), made = brush.createImageData(width, height);
      for (let i = 0, n = width * height; i < n; i++) {
        const [r, g, b] = colour(i);
        made.data[4 * i] = r; made.data[4 * i + 1] = g; made.data[4 * i + 2] = b; made.data[4 * i + 3] = 255;
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
  const legend = (classes, palette) => classes.map((name, k) => `<span class="sk-key"><i style="background:rgb(${palette[k]})"></i>${esc(name)}</span>`).join(" ");

  // One explorer -------------------------------------------------------------------------------------------------------
  const nearest = (c, value) => {
    const exact = c.values.indexOf(value);
    if (exact >= 0 || typeof value !== "number") return Math.max(exact, 0);
    return c.values.reduce((best, v, i) => (Math.abs(v - value) < Math.abs(c.values[best] - value) ? i : best), 0);
  };
  const label = (c) => String(c.labels?.[c.at] ?? c.values[c.at]);

  /** The controls as they stand, and what moves them; the page's part is `mount`, so that tests need no page. */
  function run(kind, data) {
    const controls = data.controls.map((c) => ({ ...c, at: c.start })), by = Object.fromEntries(controls.map((c) => [c.name, c]));
    const state = () => Object.fromEntries(controls.map((c) => [c.name, c.values[c.at]]));
    const fit = () => { // what a control can be set to may depend on others
      for (const [name, { values, labels, value }] of Object.entries(kind.fit?.(state(), data, by) ?? {})) {
        const c = by[name], was = value === undefined ? c.values[c.at] : value;
        Object.assign(c, { values, labels });
        c.at = nearest(c, was);
      }
    };
    const put = (moves) => { for (const [name, value] of Object.entries(moves)) if (by[name]) by[name].at = nearest(by[name], value); fit(); };
    const set = (moves) => { put(moves); if (kind.fit && Object.keys(moves).length > 1) put(moves); }; // some may fit only now
    const reset = () => { controls.forEach((c, i) => Object.assign(c, { values: data.controls[i].values, labels: data.controls[i].labels, at: data.controls[i].start })); fit(); };
    fit();
    return { controls, by, state, set, reset };
  }

  function row(c, id, moved) {
    const name = make("label", { htmlFor: id, textContent: c.label }), hint = make("small", { id: `${id}-help`, textContent: c.help });
    if (c.kind === "menu") c.input = make("select", { id });
    else if (c.kind === "tick") c.input = make("input", { id, type: "checkbox" });
    else { c.input = make("input", { id, type: "range", min: 0, step: 1 }); c.out = make("output", { htmlFor: id }); }
    c.input.setAttribute("aria-describedby", hint.id);
    c.input.addEventListener("input", () => moved(c.kind === "tick" ? c.values.indexOf(c.input.checked) : Number(c.input.value)));
    return make("div", { className: `sk-row sk-${c.kind}` }, name, c.input, ...(c.out ? [c.out] : []), hint);
  }
  function show(c, off) { // a control in the page as it stands
    c.input.disabled = off.includes(c.name);
    const texts = c.labels ?? c.values.map(String);
    if (c.kind === "menu" && c.shown !== texts.join("\n")) {
      c.shown = texts.join("\n");
      c.input.replaceChildren(...texts.map((t, i) => make("option", { value: i, textContent: t })));
    }
    if (c.kind === "tick") c.input.checked = c.values[c.at];
    else { if (c.kind === "range") c.input.max = c.values.length - 1; c.input.value = c.at; }
    if (c.out) { c.out.textContent = label(c); c.input.setAttribute("aria-valuetext", label(c)); }
  }

  function mount(figure, kind, data) {
    const hand = run(kind, data), key = figure.dataset.live, { controls, by } = hand;
    const box = make("div", { className: "sk-controls" }), say = attributes(make("p", { className: "sk-caption" }), { "aria-live": "polite" });
    const face = attributes(make("div", { className: "sk-view" }), { role: "img" }), view = new View(face), keys = kind.keys ?? { x: "column", y: "row" };
    let results = null, last = null;
    function update() {
      const off = kind.off?.(hand.state()) ?? [];
      controls.forEach((c) => show(c, off));
      let found;
      try { found = kind.compute(hand.state(), data); } catch (error) {
        if (!(error instanceof Refused)) throw error;
        say.textContent = error.message;
        say.classList.add("sk-alert");
        return; // the picture stays
      }
      [last, results] = [results, found];
      const words = kind.say(results, hand.state(), data, last);
      kind.draw(results, hand.state(), data, view, last);
      say.textContent = words;
      say.classList.remove("sk-alert");
      face.setAttribute("aria-label", `${data.title}. ${words}`);
    }
    const change = (moves) => { hand.set(moves); update(); };
    box.append(...controls.map((c) => row(c, `sk-${key.replace(/\W/g, "-")}-${c.name}`, (at) => change({ [c.name]: c.values[at] }))));
    const back = make("button", { type: "button", textContent: "Reset" });
    back.addEventListener("click", () => { hand.reset(); results = null; update(); });
    box.append(back);
    const point = (event) => {
      const panel = event.target.closest?.(".sk-panel"), area = panel?.querySelector(".sk-stage").getBoundingClientRect();
      if (!area || !kind.point) return;
      const [x, y] = [(event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height];
      const moves = x >= 0 && x < 1 && y >= 0 && y < 1 && results ? kind.point(panel.dataset.panel, x, y, results, hand.state(), data, by) : null;
      if (moves) change(moves);
    };
    face.addEventListener("click", point);
    face.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse" && event.buttons === 1) point(event); });
    if (Object.keys(keys).length) {
      attributes(face, { tabindex: 0, "aria-description": kind.hint ?? "Click, tap or use the arrow keys to move the mark." });
      face.addEventListener("keydown", (event) => {
        const way = { ArrowLeft: ["x", -1], ArrowRight: ["x", 1], ArrowUp: ["y", -1], ArrowDown: ["y", 1] }[event.key], c = way && by[keys[way[0]]];
        if (!c) return;
        event.preventDefault();
        change({ [c.name]: c.values[clamp(c.at + way[1], 0, c.values.length - 1)] });
      });
    }
    const caption = figure.querySelector("figcaption");
    figure.querySelector(".sk-still").remove();
    caption.replaceChildren(say);
    figure.prepend(box, face);
    figure.classList.add("sk-ready");
    update();
  }

  async function start() {
    for (const figure of document.querySelectorAll("figure[data-live]:not(.sk-ready)")) {
      const given = live.data[figure.dataset.live], kind = live.kinds[given?.kind];
      if (given && kind && globalThis.DecompressionStream) mount(figure, kind, await unpacked(given)); // else the still stays
    }
    document.documentElement.dataset.segkitLive = "ready";
  }
  Object.assign(live, { fixed, general, commas, amount, even, range, clamp, Refused, unpacked, slice, esc, COLOURS, tag, rect, frame, path,
    text, dot, ring, DASHED, axes, bars, cividis, rgb, legend, run });
  if (globalThis.document) // DOMContentLoaded comes after every deferred script
    document.readyState === "complete" ? start() : document.addEventListener("DOMContentLoaded", start);
})();
