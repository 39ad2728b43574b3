/* ReceptiveFieldExplorer: gradients and both fields of nine places, layer by layer, come from the build. */
(() => {
  "use strict";
  const live = (globalThis.segkitLive ??= { kinds: {}, data: {} });
  const MAGMA = [
      [0, 0, 4],
      [59, 15, 112],
      [140, 41, 129],
      [222, 73, 104],
      [254, 159, 109],
      [252, 253, 191],
    ],
    GLOW = [0, 115, 178];
  const heat = (v) => {
    const i = Math.min(Math.floor(5 * v), 4);
    return MAGMA[i].map((c, k) => c + (5 * v - i) * (MAGMA[i + 1][k] - c));
  };
  /** The strength 0–1 at pixel i: the map lies in a box of the picture, each number over step×step pixels. */
  const strength = (f, W) => {
    const [h, w] = f.map.shape;
    return (i) => {
      const y = Math.floor((Math.floor(i / W) - f.top) / f.step),
        x = Math.floor(((i % W) - f.left) / f.step);
      return y >= 0 && y < h && x >= 0 && x < w ? f.map[y * w + x] / 31 : 0;
    };
  };
  const frames = (f) =>
    [
      [f.outer, live.COLOURS.orange, {}],
      [f.inner, live.COLOURS.blue, { "stroke-dasharray": "7 4" }],
    ]
      .map(([b, ...look]) => (b ? live.frame(...b, ...look) : ""))
      .join("");
  const ghost = (last) =>
    last?.outer ? live.frame(...last.outer, "#bbbbbb", { ...live.DASHED, "stroke-width": 1.5 }) : "";
  function profile(f, last, W) {
    const line = (one, ...look) =>
      live.path(
        Array.from(one.profile, (v, x) => [(400 * (x + 0.5)) / one.profile.length, 78 - (70 * v) / 255]),
        ...look,
      );
    const ends = (b, colour, high, more) =>
      b
        ? [b[0], b[0] + b[2]]
            .map((x) =>
              live.path(
                [
                  [(400 * x) / W, 78],
                  [(400 * x) / W, 78 - high],
                ],
                colour,
                more,
              ),
            )
            .join("")
        : "";
    return {
      width: 400,
      height: 84,
      inside:
        live.path(
          [
            [0, 78],
            [400, 78],
          ],
          live.COLOURS.faint,
          { "stroke-width": 1 },
        ) +
        (last ? line(last, live.COLOURS.faint, live.DASHED) : "") +
        line(f, live.COLOURS.ink) +
        ends(f.outer, live.COLOURS.orange, 70) +
        ends(f.inner, live.COLOURS.blue, 35, { "stroke-dasharray": "7 4" }),
    };
  }
  function depth(net, chosen) {
    const n = net.layers.length,
      most = 1.15 * Math.max(...net.theoretical),
      step = [10, 20, 50, 100].find((s) => most / s <= 5);
    const a = live.axes({
      x: [-0.6, n - 0.4],
      y: [0, most],
      height: 240,
      bottom: 86,
      xticks: [],
      yticks: live.range(0, Math.floor(most / step)).map((v) => [v * step, v * step]),
    });
    const curve = (values, ...look) =>
        live.path(
          values.flatMap((v, i) => (v === null ? [] : [[a.X(i), a.Y(v)]])),
          ...look,
        ),
      dots = (values, colour) =>
        values.map((v, i) => (v === null ? "" : live.dot(a.X(i), a.Y(v), i === chosen ? 6 : 2.5, colour))).join("");
    const names = net.layers.map((name, i) =>
      live.text(0, 0, name, {
        "font-size": 11,
        "text-anchor": "end",
        transform: `translate(${a.X(i) + 4} ${240 - 80}) rotate(-90)`,
        ...(i === chosen ? { "font-weight": "bold" } : {}),
      }),
    );
    return {
      ...a,
      inside:
        a.under +
        names.join("") +
        curve(net.theoretical, live.COLOURS.orange) +
        curve(net.effective, live.COLOURS.blue, { "stroke-dasharray": "7 4" }) +
        dots(net.theoretical, live.COLOURS.orange) +
        dots(net.effective, live.COLOURS.blue) +
        live.text(56, 18, "orange: theoretical; blue: effective (4σ), on random pixels", { "font-size": 11 }),
    };
  }
  live.kinds.ReceptiveFieldExplorer = {
    fit(s, data, by) {
      // another network has other layers: the place among them stays
      const { layers } = data.networks[s.network],
        { layer } = by,
        n = layers.length - 1;
      if (layer.values.join() === layers.join()) return {};
      return {
        layer: {
          values: layers,
          labels: layers,
          value: layers[live.even((layer.at / Math.max(layer.values.length - 1, 1)) * n)],
        },
      };
    },
    compute(s, data) {
      const net = data.networks[s.network],
        layer = net.layers.indexOf(s.layer),
        place = data.rows.indexOf(s.row) * data.columns.length + data.columns.indexOf(s.column);
      return { ...net.fields[layer][place], layer };
    },
    say: (r, s) => `${r.said} The marked pixel: row ${s.row}, column ${s.column}.`,
    draw(r, s, data, view, last) {
      const [H, W] = data.image.shape,
        at = strength(r, W),
        picture = live.rgb(data.image),
        places = data.rows.flatMap((y) =>
          data.columns.map((x) => live.dot(x, y, 3, "white", { stroke: "#222", "stroke-width": 1 })),
        );
      const mark = live.dot(s.column, s.row, 8, "none", {
        stroke: "white",
        "stroke-width": 3,
        "vector-effect": "non-scaling-stroke",
      });
      view.pixels(
        "seen",
        "what the unit could see (orange), and what it looks at (blue); dots: places to choose",
        [H, W],
        (i) => {
          const v = live.clamp(1.2 * at(i), 0, 0.85),
            rgb = picture(i);
          return v ? rgb.map((c, k) => (1 - v) * c + v * GLOW[k]) : rgb;
        },
        ghost(last) + frames(r) + places.join("") + mark,
        { span: 7, narrow: 12 },
      );
      view.pixels(
        "alone",
        "√|gradient| of the unit, at each pixel",
        [H, W],
        (i) => heat(at(i)),
        ghost(last) + frames(r),
        { span: 5, narrow: 12 },
      );
      view.chart("total", "|gradient|, added up over each column; dotted: before the last move", profile(r, last, W), {
        span: 7,
        narrow: 12,
      });
      view.chart("sizes", "width of the fields, pixels", depth(data.networks[s.network], r.layer), {
        span: 5,
        narrow: 12,
      });
    },
    point(panel, x, y, r, s, data) {
      const [H, W] = data.image.shape,
        layers = data.networks[s.network].layers;
      if (panel === "seen" || panel === "alone") return { row: y * H, column: x * W };
      if (panel === "sizes")
        return { layer: layers[live.clamp(Math.floor(((400 * x - 44) / 346) * layers.length), 0, layers.length - 1)] };
      return panel === "total" ? { column: x * W } : null;
    },
  };
})();
