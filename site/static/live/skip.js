/* SkipExplorer: the heads of FCN-8s, mixed; the mixtures' labels come from the build, scores are counted here. */
(() => {
  "use strict";
  const live = (globalThis.segkitLive ??= { kinds: {}, data: {} });
  const HEADS = ["score_32", "score_16", "score_8"],
    NAMES = ["fc7, stride 32", "pool4, stride 16", "pool3, stride 8"];
  live.kinds.SkipExplorer = {
    compute(s, data) {
      const truth = live.slice(data.truth, s.scene),
        K = data.classes.length,
        heads = live.slice(data.heads, s.scene);
      const at = HEADS.reduce((n, name) => n * data.weights.length + data.weights.indexOf(s[name]), 0);
      const labels = live.slice(live.slice(data.mixtures, s.scene), at);
      const each = live.range(0, 3).map((i) => live.slice(heads, i));
      return {
        labels,
        truth,
        each,
        iou: live.labels.meanIou(labels, truth, K),
        ious: each.map((one) => live.labels.meanIou(one, truth, K)),
      };
    },
    say(r, s, data) {
      const [fc7, pool4, pool3] = r.each.map((labels) => live.labels.named(labels, s, data)),
        name = (labels) => live.labels.named(labels, s, data);
      return `Mixture: mean IoU ${live.fixed(r.iou, 3)} on this picture. In the ring (row ${s.row}, column ${s.column}) fc7 says ${fc7}, pool4 ${pool4}, pool3 ${pool3}, the mixture ${name(r.labels)}; it is ${name(r.truth)}.`;
    },
    draw(r, s, data, view, last) {
      const L = live.labels,
        ring = live.ring(data.size[1], s.row, s.column),
        coloured = (labels) => L.colourise(labels, data);
      const show = (name, title, colour) => view.pixels(name, title, data.size, colour, ring, { span: 3 });
      show("picture", "picture", live.rgb(live.slice(data.images, s.scene)));
      show("truth", "truth", coloured(r.truth));
      show("network", `the network: mIoU ${live.fixed(r.ious[3], 2)}`, coloured(r.each[3]));
      show("mixture", "mixture", coloured(r.labels));
      NAMES.forEach((name, i) => show(HEADS[i], `${name}: mIoU ${live.fixed(r.ious[i], 2)}`, coloured(r.each[i])));
      view.html("legend", "", live.legend(data.classes, data.palette), { span: 3 });
      view.chart(
        "bar",
        "",
        live.bars(
          [
            {
              name: "mean IoU of the mixture",
              value: r.iou,
              words: live.fixed(r.iou, 3),
              ghost: last?.iou,
              mark: live.COLOURS.orange,
            },
          ],
          { left: 160 },
        ),
        { span: 6, narrow: 12 },
      );
    },
    point: (...given) => live.labels.pixel(["picture", "truth", "network", "mixture", ...HEADS])(...given),
  };
})();
