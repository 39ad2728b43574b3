/* CostExplorer: what one convolution holds, multiplies and moves in five forms. Times are for the notebook to measure. */
(() => {
  "use strict";
  const live = (globalThis.segkitLive ??= { kinds: {}, data: {} });
  const FORMS = ["plain", "depthwise + 1×1", "grouped", "n×1 + 1×n", "inverted residual"],
    LOW = 0.01,
    HIGH = 40;
  const COLUMNS = ["weights", "multiply-adds", "bytes moved", "multiply-adds per byte"];
  const step = (inputs, outputs, kernel, stride = [1, 1], groups = 1) => ({
    inputs,
    outputs,
    stride,
    weights: outputs * (inputs / groups) * kernel[0] * kernel[1],
  });
  function forms({ channels: C, kernel: k, groups, expansion, stride: s }) {
    const wide = expansion * C,
      point = (a, b) => step(a, b, [1, 1]);
    return [
      [step(C, C, [k, k], [s, s])],
      [step(C, C, [k, k], [s, s], C), point(C, C)],
      [step(C, C, [k, k], [s, s], groups)],
      [step(C, C, [k, 1], [s, 1]), step(C, C, [1, k], [1, s])],
      [...(expansion > 1 ? [point(C, wide)] : []), step(wide, wide, [k, k], [s, s], wide), point(wide, C)],
    ];
  }
  /** Weights, multiply-adds, bytes moved (input, output and weights of every step, in float32), and their quotient. */
  function count(steps, side) {
    let size = [side, side],
      weights = 0,
      macs = 0,
      numbers = 0;
    for (const one of steps) {
      const out = size.map((n, axis) => Math.ceil(n / one.stride[axis])),
        cells = out[0] * out[1];
      weights += one.weights;
      macs += one.weights * cells;
      numbers += one.inputs * size[0] * size[1] + one.weights + one.outputs * cells;
      size = out;
    }
    return [weights, macs, 4 * numbers, macs / (4 * numbers)];
  }
  const words = ([weights, macs, moved, each]) => [
    live.commas(weights),
    live.amount(macs),
    live.amount(moved, "B"),
    live.fixed(each, 1),
  ];
  const at = (share) => (300 * Math.log(live.clamp(share, LOW, HIGH) / LOW)) / Math.log(HIGH / LOW);
  function column(found, last, k, chosen) {
    const rows = found.map((form, i) => {
      const share = form[k] / found[0][k],
        y = 24 + 38 * i,
        colour = i === 0 ? live.COLOURS.ink : i === chosen ? live.COLOURS.vermilion : live.COLOURS.blue;
      return (
        live.text(2, y - 4, FORMS[i]) +
        live.text(398, y - 4, words(form)[k], { "text-anchor": "end" }) +
        live.rect(0, y, at(share), 14, colour) +
        (last ? live.rect(at(last[i][k] / found[0][k]) - 1.5, y - 2, 3, 18, live.COLOURS.orange) : "")
      );
    });
    const ticks = [
      [0.01, "1 %"],
      [0.1, "10 %"],
      [1, "plain"],
      [10, "×10"],
    ].map(([share, name]) =>
      live.text(Math.max(at(share), 12), 212, name, { "text-anchor": "middle", "font-size": 11 }),
    );
    return {
      width: 400,
      height: 216,
      inside:
        live.path(
          [
            [at(1), 4],
            [at(1), 198],
          ],
          live.COLOURS.faint,
          { "stroke-width": 1 },
        ) +
        rows.join("") +
        ticks.join(""),
    };
  }
  live.kinds.CostExplorer = {
    FORMS,
    forms,
    count,
    keys: { y: "form" },
    hint: "Click or tap a bar, or use the arrow keys, to choose the form that the sentence compares.",
    compute: (s) => ({ found: forms(s).map((steps) => count(steps, s.side)), chosen: FORMS.indexOf(s.form) }),
    say({ found, chosen }, s) {
      const [weights, macs, moved] = found[chosen].map((value, k) => live.fixed((100 * value) / found[0][k], 0));
      return (
        `${s.channels} channels to ${s.channels} on ${s.side}×${s.side} cells, ${s.kernel}×${s.kernel}, stride ${s.stride}. Next to the plain form, ${FORMS[chosen]} has ` +
        `${weights} % of the weights, ${macs} % of the multiply-adds, and moves ${moved} % of the bytes: ${live.fixed(found[chosen][3], 1)} multiply-adds for each, instead of ${live.fixed(found[0][3], 1)}. ` +
        `With ${s.groups} groups, the grouped form has ${live.fixed((100 * found[2][0]) / found[0][0], 0)} % of the weights; at an expansion of ${s.expansion}, the inverted residual has ${live.fixed((100 * found[4][0]) / found[0][0], 0)} %. ` +
        "Times depend on the machine: the notebook measures yours."
      );
    },
    draw({ found, chosen }, s, data, view, last) {
      COLUMNS.forEach((name, k) =>
        view.chart(name, name, column(found, last?.found, k, chosen), { span: 6, narrow: 12 }),
      );
      view.html("note", "", "In shares of the plain form, on logarithmic axes; orange: before the last move.", {
        span: 12,
        narrow: 12,
      });
    },
    point(panel, x, y) {
      const form = Math.floor((216 * y - 6) / 38);
      return COLUMNS.includes(panel) && form > 0 && form < 5 ? { form: FORMS[form] } : null;
    },
  };
})();
