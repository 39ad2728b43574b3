/* CrfExplorer: labels and divergence after each step come from the build; whom a pixel listens to is computed here. */
(() => {
  "use strict";
  const live = (globalThis.segkitLive ??= { kinds: {}, data: {} });
  const BAND = 2,
    SPOILED = [213, 94, 0],
    MENDED = [0, 114, 178],
    OTHER = [150, 150, 150];
  const PICTURES = ["picture", "truth", "before", "after", "listens", "changes"];
  const place = (data, s) => [
    data.scenes.indexOf(s.scene),
    data.srgb.indexOf(s.srgb),
    data.bilateral.indexOf(s.bilateral),
  ];
  /** The bilateral kernel from the pixel in the ring to pixel i. */
  function listens(image, s, data) {
    const W = data.size[1],
      at = s.row * W + s.column;
    return (i) => {
      const dy = (Math.floor(i / W) - s.row) / data.sxy,
        dx = ((i % W) - s.column) / data.sxy;
      const colour = [0, 1, 2].reduce((d, k) => d + ((image[3 * i + k] - image[3 * at + k]) / s.srgb) ** 2, 0);
      return live.cividis(Math.exp(-(dy * dy + dx * dx + colour) / 2));
    };
  }
  function curve(r, ghost) {
    const falls = [r.kl, ...(ghost ? [ghost.kl] : [])].map((kl) => Array.from(kl, (v) => v - kl[0])),
      deepest = Math.max(...falls.map((f) => -Math.min(...f))) || 1;
    const a = live.axes({
      x: [-0.4, 10.4],
      y: [0, 1],
      xticks: [0, 5, 10].map((v) => [v, v]),
      yticks: [
        [0, "0"],
        [1, "1"],
      ],
      xname: "iterations (grey: the last value)",
      height: 190,
    });
    const points = (f) => f.map((v, i) => [a.X(i), a.Y(1 + v / deepest)]),
      [now, before] = falls.map(points);
    return {
      ...a,
      inside:
        a.under +
        (before ? live.path(before, "#9a9a9a") : "") +
        live.path(now, live.COLOURS.blue) +
        now.map(([x, y]) => live.dot(x, y, 3, live.COLOURS.blue)).join("") +
        live.dot(...now[r.step], 6, live.COLOURS.vermilion) +
        live.text(388, 20, `${r.kl[r.step] - r.kl[0] < 0 ? "" : "+"}${live.fixed(r.kl[r.step] - r.kl[0], 3)} a pixel`, {
          "text-anchor": "end",
        }),
    };
  }
  const ghostOf = (r, last) =>
    last && last.scene === r.scene && last.after.some((v, i) => v !== r.after[i]) ? last : null;
  live.kinds.CrfExplorer = {
    compute(s, data) {
      const L = live.labels,
        K = data.classes.length,
        [scene, ...at] = place(data, s),
        truth = live.slice(data.truth, scene),
        before = live.slice(data.before, scene);
      const every = at.reduce(live.slice, live.slice(data.after, scene)),
        kl = at.reduce(live.slice, live.slice(data.kl, scene));
      const after = s.iterations ? live.slice(every, s.iterations - 1) : before,
        near = L.nearOther(truth, data.size, BAND),
        score = (labels) => [L.meanIou(labels, truth, K), L.meanIou(labels, truth, K, near)];
      return {
        scene,
        step: s.iterations,
        truth,
        before,
        after,
        kl,
        changed: after.reduce((n, v, i) => n + (v !== before[i]), 0),
        was: score(before),
        now: score(after),
      };
    },
    say(r, s, data, last) {
      const ghost = ghostOf(r, last),
        pair = (k) => `${live.fixed(r.was[k], 3)} → ${live.fixed(r.now[k], 3)}`,
        name = (labels) => live.labels.named(labels, s, data);
      return (
        `After ${r.step} iteration${r.step === 1 ? "" : "s"} ${r.changed} of ${r.after.length} pixels have another label: mean IoU ${pair(0)}, within ${BAND} px of an edge ${pair(1)}` +
        `${ghost ? ` (before the last move ${live.fixed(ghost.now[1], 3)})` : ""}. The pixel in the ring (row ${s.row}, column ${s.column}): ${name(r.before)} → ${name(r.after)}.`
      );
    },
    draw(r, s, data, view, last) {
      const L = live.labels,
        ring = live.ring(data.size[1], s.row, s.column),
        image = live.slice(data.images, r.scene),
        name = (labels) => L.named(labels, s, data);
      const show = (panel, title, colour) => view.pixels(panel, title, data.size, colour, ring, { span: 4 });
      show("picture", "picture", live.rgb(image));
      show("truth", `truth: ${name(r.truth)}`, L.colourise(r.truth, data));
      show("before", `scores alone: ${name(r.before)}`, L.colourise(r.before, data));
      show("after", `after the CRF: ${name(r.after)}`, L.colourise(r.after, data));
      show("listens", "who the pixel in the ring listens to", listens(image, s, data));
      show("changes", "changes: blue for the better", (i) =>
        r.after[i] === r.before[i]
          ? [255, 255, 255]
          : r.truth[i] === L.VOID
            ? OTHER
            : r.after[i] === r.truth[i]
              ? MENDED
              : r.before[i] === r.truth[i]
                ? SPOILED
                : OTHER,
      );
      view.chart("curve", "KL divergence, from 1", curve(r, ghostOf(r, last)), { span: 6, narrow: 12 });
      view.html("legend", "", live.legend(data.classes, data.palette), { span: 6, narrow: 12 });
    },
    point: (...given) => live.labels.pixel(PICTURES)(...given),
  };
})();
