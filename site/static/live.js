/* Explorers that live without a kernel. Classic scripts on purpose: a page from file:// may load no module and no data,
   so what an explorer needs stands in a script of its own: live.data[key] from the build, live.kinds[class] in live/.
   A kind is {compute, say, draw} and, where it needs them, {fit, point, keys}; see `run` below for who calls what. */
(() => {
  "use strict";
  const live = (globalThis.segkitLive ??= { kinds: {}, data: {} });

  // One explorer -------------------------------------------------------------------------------------------------------
  const nearest = (c, value) => {
    const exact = c.values.indexOf(value);
    if (exact >= 0 || typeof value !== "number") return Math.max(exact, 0);
    return c.values.reduce((best, v, i) => (Math.abs(v - value) < Math.abs(c.values[best] - value) ? i : best), 0);
  };
  const label = (c) => String(c.labels?.[c.at] ?? c.values[c.at]);

  /** The controls as they stand, and what moves them; the page's part is `mount`, so that tests need no page. */
  function run(kind, data) {
    const controls = data.controls.map((c) => ({ ...c, at: c.start })),
      by = Object.fromEntries(controls.map((c) => [c.name, c]));
    const state = () => Object.fromEntries(controls.map((c) => [c.name, c.values[c.at]]));
    const fit = () => {
      // what a control can be set to may depend on others
      for (const [name, { values, labels, value }] of Object.entries(kind.fit?.(state(), data, by) ?? {})) {
        const c = by[name],
          was = value === undefined ? c.values[c.at] : value;
        Object.assign(c, { values, labels });
        c.at = nearest(c, was);
      }
    };
    const put = (moves) => {
      for (const [name, value] of Object.entries(moves)) if (by[name]) by[name].at = nearest(by[name], value);
      fit();
    };
    const set = (moves) => {
      put(moves);
      if (kind.fit && Object.keys(moves).length > 1) put(moves);
    }; // some may fit only now
    const reset = () => {
      controls.forEach((c, i) =>
        Object.assign(c, {
          values: data.controls[i].values,
          labels: data.controls[i].labels,
          at: data.controls[i].start,
        }),
      );
      fit();
    };
    fit();
    return { controls, by, state, set, reset };
  }

  function row(c, id, moved) {
    const { make } = live;
    const name = make("label", { htmlFor: id, textContent: c.label }),
      hint = make("small", { id: `${id}-help`, textContent: c.help });
    if (c.kind === "menu") c.input = make("select", { id });
    else if (c.kind === "tick") c.input = make("input", { id, type: "checkbox" });
    else {
      c.input = make("input", { id, type: "range", min: 0, step: 1 });
      c.out = make("output", { htmlFor: id });
    }
    c.input.setAttribute("aria-describedby", hint.id);
    c.input.addEventListener("input", () =>
      moved(c.kind === "tick" ? c.values.indexOf(c.input.checked) : Number(c.input.value)),
    );
    return make("div", { className: `sk-row sk-${c.kind}` }, name, c.input, ...(c.out ? [c.out] : []), hint);
  }
  function show(c, off) {
    // a control in the page as it stands
    c.input.disabled = off.includes(c.name);
    const texts = c.labels ?? c.values.map(String);
    if (c.kind === "menu" && c.shown !== texts.join("\n")) {
      c.shown = texts.join("\n");
      c.input.replaceChildren(...texts.map((t, i) => live.make("option", { value: i, textContent: t })));
    }
    if (c.kind === "tick") c.input.checked = c.values[c.at];
    else {
      if (c.kind === "range") c.input.max = c.values.length - 1;
      c.input.value = c.at;
    }
    if (c.out) {
      c.out.textContent = label(c);
      c.input.setAttribute("aria-valuetext", label(c));
    }
  }

  function mount(figure, kind, data) {
    const { make, attributes } = live;
    const hand = run(kind, data),
      key = figure.dataset.live,
      { controls, by } = hand;
    const box = make("div", { className: "sk-controls" }),
      say = attributes(make("p", { className: "sk-caption" }), { "aria-live": "polite" });
    const face = attributes(make("div", { className: "sk-view" }), { role: "img" }),
      view = new live.View(face),
      keys = kind.keys ?? { x: "column", y: "row" };
    let results = null,
      last = null;
    function update() {
      const off = kind.off?.(hand.state()) ?? [];
      controls.forEach((c) => show(c, off));
      let found;
      try {
        found = kind.compute(hand.state(), data);
      } catch (error) {
        if (!(error instanceof live.Refused)) throw error;
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
    const change = (moves) => {
      hand.set(moves);
      update();
    };
    box.append(
      ...controls.map((c) =>
        row(c, `sk-${key.replace(/\W/g, "-")}-${c.name}`, (at) => change({ [c.name]: c.values[at] })),
      ),
    );
    const back = make("button", { type: "button", textContent: "Reset" });
    back.addEventListener("click", () => {
      hand.reset();
      results = null;
      update();
    });
    box.append(back);
    const point = (event) => {
      const panel = event.target.closest?.(".sk-panel"),
        area = panel?.querySelector(".sk-stage").getBoundingClientRect();
      if (!area || !kind.point) return;
      const [x, y] = [(event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height];
      const moves =
        x >= 0 && x < 1 && y >= 0 && y < 1 && results
          ? kind.point(panel.dataset.panel, x, y, results, hand.state(), data, by)
          : null;
      if (moves) change(moves);
    };
    face.addEventListener("click", point);
    face.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse" && event.buttons === 1) point(event);
    });
    if (Object.keys(keys).length) {
      attributes(face, {
        tabindex: 0,
        "aria-description": kind.hint ?? "Click, tap or use the arrow keys to move the mark.",
      });
      face.addEventListener("keydown", (event) => {
        const way = { ArrowLeft: ["x", -1], ArrowRight: ["x", 1], ArrowUp: ["y", -1], ArrowDown: ["y", 1] }[event.key],
          c = way && by[keys[way[0]]];
        if (!c) return;
        event.preventDefault();
        change({ [c.name]: c.values[live.clamp(c.at + way[1], 0, c.values.length - 1)] });
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
      const given = live.data[figure.dataset.live],
        kind = live.kinds[given?.kind];
      if (given && kind && globalThis.DecompressionStream) mount(figure, kind, await live.unpacked(given)); // else the still stays
    }
    document.documentElement.dataset.segkitLive = "ready";
  }
  live.run = run;
  if (globalThis.document)
    // DOMContentLoaded comes after every deferred script
    document.readyState === "complete" ? start() : document.addEventListener("DOMContentLoaded", start);
})();
