/* LineageExplorer: any two networks on one street; their labels come from the build, all figures are counted here. */
(() => {
  "use strict";
  const live = (globalThis.segkitLive ??= { kinds: {}, data: {} });
  const SIDES = ["left", "right"],
    INKS = { left: "#0072B2", right: "#D55E00" },
    NEAR = 1;
  const chart = (data) =>
    live.axes({
      x: [Math.min(...data.macs) / 1.6 / 1e6, (Math.max(...data.macs) * 1.6) / 1e6],
      y: [0, 100],
      log: true,
      height: 240,
      xname: "multiply-adds for one picture, millions",
      yname: "mean IoU of the records, %",
      xticks: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
        .filter((v) => v > Math.min(...data.macs) / 1.6e6 && v < Math.max(...data.macs) * 1.6e-6)
        .map((v) => [v, v]),
      yticks: [0, 25, 50, 75, 100].map((v) => [v, v]),
    });
  function diagram(r, data, last) {
    const a = chart(data),
      place = (k) => [a.X(data.macs[k] / 1e6), a.Y(100 * data.recorded[k])];
    const old =
      last && last.pair.join() !== r.pair.join()
        ? last.pair.map((k) => live.dot(...place(k), 9, "none", { stroke: live.COLOURS.faint, "stroke-width": 1.5 }))
        : [];
    const named = r.pair.map((k, i) => {
      const [x, y] = place(k),
        end = x > 260,
        lower = y > place(r.pair[1 - i])[1];
      return (
        live.dot(x, y, 6, INKS[SIDES[i]]) +
        live.text(x + (end ? -9 : 9), y + (lower ? 16 : -8), data.names[k], {
          fill: INKS[SIDES[i]],
          "text-anchor": end ? "end" : "start",
        })
      );
    });
    return {
      ...a,
      inside:
        a.under +
        data.names.map((_, k) => live.dot(...place(k), 4, "#b8b8b8")).join("") +
        old.join("") +
        named.join(""),
    };
  }
  live.kinds.LineageExplorer = {
    compute(s, data) {
      const L = live.labels,
        K = data.classes.length,
        truth = live.slice(data.truth, s.scene),
        pair = SIDES.map((side) => data.names.indexOf(s[side]));
      const answers = pair.map((k) => live.slice(live.slice(data.answers, k), s.scene)),
        near = L.nearOther(truth, data.size, NEAR);
      let known = 0,
        torn = 0;
      const right = [0, 0];
      truth.forEach((t, i) => {
        if (t === L.VOID) return;
        known++;
        if (answers[0][i] !== answers[1][i]) {
          torn++;
          answers.forEach((a, k) => (right[k] += a[i] === t));
        }
      });
      return {
        pair,
        answers,
        truth,
        iou: answers.map((a) => L.meanIou(a, truth, K)),
        near: answers.map((a) => L.meanIou(a, truth, K, near)),
        differ: torn / Math.max(1, known),
        settled: right.map((n) => n / torn),
      };
    },
    say(r, s, data) {
      const percent = (v) => live.fixed(100 * v, 0),
        L = live.labels;
      const each = r.pair.map(
        (k, i) =>
          `${data.names[k]}: IoU ${percent(r.iou[i])} %, near outlines ${percent(r.near[i])} %, ${live.fixed(data.macs[k] / 1e6, 0)} M multiply-adds.`,
      );
      const torn = r.pair.map((k, i) => `${data.names[k]} is right on ${percent(r.settled[i])} %`).join(" and ");
      each.push(
        r.differ
          ? `They differ on ${percent(r.differ)} % of the pixels; of those, ${torn}.`
          : "They agree on every pixel.",
      );
      const [a, b, truth] = [...r.answers, r.truth].map((labels) => L.named(labels, s, data));
      return `${each.join(" ")} In the ring (row ${s.row}, column ${s.column}): ${a} and ${b}; it is ${truth}. Shown: ${s.show}.`;
    },
    draw(r, s, data, view, last) {
      const L = live.labels,
        ring = live.ring(data.size[1], s.row, s.column),
        show = (name, title, colour) => view.pixels(name, title, data.size, colour, ring, { span: 3 });
      const look = s.show === "errors" ? L.errors : L.colourise;
      show("picture", "picture", live.rgb(live.slice(data.images, s.scene)));
      show("truth", "truth", L.colourise(r.truth, data));
      SIDES.forEach((side, i) =>
        show(
          side,
          `${s[side]} (${side})`,
          s.show === "errors" ? look(r.answers[i], r.truth, data) : look(r.answers[i], data),
        ),
      );
      view.chart("chart", "all networks, by score and cost; circles: before the last move", diagram(r, data, last), {
        span: 7,
        narrow: 12,
      });
      view.html("legend", "", live.legend(data.classes, data.palette), { span: 5, narrow: 12 });
    },
    point(panel, x, y, r, s, data) {
      if (panel !== "chart") return live.labels.pixel(["picture", "truth", ...SIDES])(panel, x, y, r, s, data);
      const a = chart(data),
        away = (k) => Math.hypot(a.X(data.macs[k] / 1e6) - 400 * x, a.Y(100 * data.recorded[k]) - a.height * y);
      const known = live.range(0, data.names.length - 1).filter((k) => Number.isFinite(away(k)));
      return { right: data.names[known.reduce((best, k) => (away(k) < away(best) ? k : best), known[0])] };
    },
  };
})();
