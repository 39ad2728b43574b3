/* AsppExplorer: how many of an atrous kernel's nine weights lie on the map, computed in the page. */
(() => {
  "use strict";
  const live = (globalThis.segkitLive ??= { kinds: {}, data: {} });
  const SHADES = [
    [240, 195, 165],
    [227, 227, 227],
    [211, 219, 228],
    [191, 208, 226],
    [169, 197, 224],
    [143, 184, 221],
    [114, 168, 216],
    [79, 148, 205],
    [0, 114, 178],
  ];
  const LIMIT = 72; // the largest rate under the curves
  const along = (n, rate) => live.range(0, n - 1).map((i) => 1 + (i - rate >= 0) + (i + rate < n));
  /** Mean valid weights, and the shares of cells that use all nine, and the centre alone. */
  function figures(n, rate) {
    const axis = along(n, rate),
      share = (k) => (axis.filter((v) => v === k).length / n) ** 2;
    return { mean: (axis.reduce((a, b) => a + b) / n) ** 2, all: share(3), centre: share(1) };
  }
  function taps(row, column, rate, side) {
    return live.range(0, 8).map((k) => {
      const [y, x] = [row + rate * (Math.floor(k / 3) - 1), column + rate * ((k % 3) - 1)];
      return { y, x, inside: y >= 0 && y < side && x >= 0 && x < side };
    });
  }
  function curves(r, last) {
    const a = live.axes({
      x: [0, LIMIT],
      y: [0, 9.3],
      xticks: [0, 12, 24, 36, 48, 60, 72].map((v) => [v, v]),
      yticks: [0, 3, 6, 9].map((v) => [v, v]),
      xname: "rate on this map, cells",
      height: 240,
    });
    const rates = live.range(1, LIMIT),
      curve = (side, name, factor, colour, more) =>
        live.path(
          rates.map((rate) => [a.X(rate), a.Y(factor * figures(side, rate)[name])]),
          colour,
          more,
        );
    const names = [
      ["mean of the weights", live.COLOURS.blue, {}],
      ["cells with all nine, × 9", live.COLOURS.ink, { "stroke-dasharray": "6 3" }],
      ["cells with the centre only, × 9", live.COLOURS.vermilion, { "stroke-dasharray": "2 3" }],
      ["mean, before the last move", live.COLOURS.faint, { "stroke-width": 1 }],
    ];
    const key = names
      .map(
        ([words, colour, more], i) =>
          live.path(
            [
              [205, 82 + 16 * i],
              [230, 82 + 16 * i],
            ],
            colour,
            more,
          ) + live.text(235, 86 + 16 * i, words, { "font-size": 10.5 }),
      )
      .join("");
    return {
      ...a,
      inside:
        a.under +
        live.rect(200, 72, 192, 66, "white", { opacity: 0.85 }) +
        key +
        curve((last ?? r).side, "mean", 1, live.COLOURS.faint, { "stroke-width": 1 }) +
        curve(r.side, "mean", 1, ...names[0].slice(1)) +
        curve(r.side, "all", 9, ...names[1].slice(1)) +
        curve(r.side, "centre", 9, ...names[2].slice(1)) +
        live.dot(a.X(Math.min(r.rate, LIMIT)), a.Y(r.mean), 5, live.COLOURS.orange),
    };
  }
  live.kinds.AsppExplorer = {
    keys: { x: "across", y: "down" },
    compute(s) {
      const side = Math.floor((s.pixels - 1) / s.stride) + 1,
        written = s.rate * 16;
      if (s.follow && written % s.stride) {
        const fit = [8, 16, 32].filter((stride) => written % stride === 0).join(", ");
        throw new live.Refused(
          `rates_at got rates (${s.rate},) for output stride 16, which are no whole numbers at ${s.stride}; choose an output_stride among [${fit}], or rates that can be halved`,
        );
      }
      const rate = s.follow ? written / s.stride : s.rate,
        row = live.even(s.down * (side - 1)),
        column = live.even(s.across * (side - 1));
      return {
        side,
        rate,
        row,
        column,
        pixels: s.pixels,
        span: 2 * rate * s.stride + 1,
        ...figures(side, rate),
        taps: taps(row, column, rate, side),
      };
    },
    say: (r) =>
      `${r.side}×${r.side} cells, rate ${r.rate}: the kernel spans ${r.span} pixels of ${r.pixels}. On average ${live.fixed(r.mean, 2)} of its nine weights lie on the map; ` +
      `${live.fixed(100 * r.all, 0)} % of the cells use all nine, ${live.fixed(100 * r.centre, 0)} % only the centre. The marked cell (row ${r.row}, column ${r.column}) uses ${r.taps.filter((t) => t.inside).length}.`,
    draw(r, s, data, view, last) {
      const n = r.side,
        axis = along(n, r.rate),
        size = n / 60;
      const marks = r.taps.map(({ y, x, inside }, k) =>
        !inside
          ? ""
          : live.rect(
              x + 0.5 - size,
              y + 0.5 - size,
              2 * size,
              2 * size,
              k === 4 ? live.COLOURS.orange : live.COLOURS.ink,
              { stroke: "white", "stroke-width": 1, "vector-effect": "non-scaling-stroke" },
            ),
      );
      view.pixels(
        "cells",
        `weights on the map, cell by cell (${n}×${n})`,
        [n, n],
        (i) => SHADES[axis[Math.floor(i / n)] * axis[i % n] - 1],
        marks.join("") + live.ring(n, r.row, r.column),
        { span: 5, narrow: 12 },
      );
      view.chart("lines", "over the whole map, by rate", curves(r, last), { span: 7, narrow: 12 });
      const key = [1, 2, 3, 4, 6, 9]
        .map((k) => `<span class="sk-key"><i style="background:rgb(${SHADES[k - 1]})"></i>${k}</span>`)
        .join(" ");
      view.html("key", "", `weights of nine on the map: ${key}`, { span: 5, narrow: 12 });
    },
    point(panel, x, y, r, s) {
      if (panel === "cells") return { across: live.even(x * 20) / 20, down: live.even(y * 20) / 20 };
      const factor = s.follow ? 16 / s.stride : 1;
      return panel === "lines"
        ? { rate: Math.round(live.axes({ x: [0, LIMIT], y: [0, 1], xticks: [], yticks: [] }).value(x) / factor) }
        : null;
    },
  };
})();
