/* MetricsExplorer: a spoilt prediction and what seven metrics and all conventions say of it, computed in the page. */
(() => {
  "use strict";
  const live = (globalThis.segkitLive ??= { kinds: {}, data: {} });
  const NOTHING = -2,
    EVERYTHING = -1; // merged into another class
  const NAMES = [
    "pixel accuracy",
    "mean accuracy",
    "mean IoU",
    "freq. weighted IoU",
    "mean Dice",
    "trimap IoU",
    "Boundary IoU",
  ];
  function highest(values, H, W) {
    // of each 3×3 neighbourhood
    const found = new Int16Array(H * W);
    for (let y = 0; y < H; y++)
      for (let x = 0; x < W; x++) {
        let best = -1;
        for (let v = Math.max(y - 1, 0); v <= Math.min(y + 1, H - 1); v++)
          for (let u = Math.max(x - 1, 0); u <= Math.min(x + 1, W - 1); u++) best = Math.max(best, values[v * W + u]);
        found[y * W + x] = best;
      }
    return found;
  }
  /** The truth, spoilt: a class grown or shrunk, everything shifted, a class called by another's name. */
  function spoil(labels, [H, W], { target, grow, right, down = 0, merge, into }) {
    const { VOID } = live.labels,
      p = Int16Array.from(labels);
    for (let y = 0; y < H; y++)
      for (let x = 0, left = 0; x < W; x++) {
        // void becomes what stands left of it
        if (labels[y * W + x] === VOID) p[y * W + x] = left;
        else left = labels[y * W + x];
      }
    for (let step = 0; step < Math.abs(grow); step++) {
      const wide = highest(
        p.map((v) => (grow > 0 ? v === target : v === target ? -1 : v)),
        H,
        W,
      );
      for (let i = 0; i < p.length; i++) {
        if (grow > 0 && wide[i]) p[i] = target;
        if (grow < 0 && p[i] === target && wide[i] >= 0) p[i] = wide[i];
      }
    }
    return Uint8Array.from(p, (_, i) => {
      const y = live.clamp(Math.floor(i / W) - down, 0, H - 1),
        x = live.clamp((i % W) - right, 0, W - 1),
        label = p[y * W + x];
      return merge === EVERYTHING || label === merge ? into : label;
    });
  }
  /** Mean IoU of several pictures' counts under a convention; as segkit.metrics.mean_iou_as. */
  function meanAs(rule, each, batch = 4) {
    const { sum, nanmean } = live.labels,
      size = { "data set": each.length, batch, picture: 1 }[rule.over],
      pools = [];
    for (let i = 0; i < each.length; i += size) {
      const part = each.slice(i, i + size),
        total = (of) => part[0].both.map((_, k) => sum(part.map((c) => of(c, k))));
      let both = total((c, k) => c.both[k]),
        union = total((c, k) => c.of[k] + c.claimed[k] - c.both[k] + (rule.void === "ignored" ? 0 : c.onVoid[k]));
      if (rule.void === "a class") {
        both.push(0);
        union.push(sum(part.map((c) => c.voids)));
      }
      if (!rule.background) {
        both = both.slice(1);
        union = union.slice(1);
      }
      if (rule.mean === "pixels") {
        both = [sum(both)];
        union = [sum(union)];
      }
      const iou = both.map((n, k) => n / union[k]);
      pools.push(
        rule.absent === "zero" || rule.absent === "one"
          ? iou.map((v) => (Number.isNaN(v) ? Number(rule.absent === "one") : v))
          : iou,
      );
    }
    if (rule.absent === "undefined") return sum(pools.flat()) / pools.flat().length;
    return rule.mean === "pairs" ? nanmean(pools.flat()) : nanmean(pools.map(nanmean));
  }
  live.kinds.MetricsExplorer = {
    keys: {},
    off: (s) => (s.merge === NOTHING ? ["into"] : []), // without a merge it would change nothing
    compute(s, data) {
      const L = live.labels,
        K = data.classes.length,
        all = live.range(0, data.labels.shape[0] - 1);
      const truths = all.map((i) => {
        const truth = live.slice(data.labels, i),
          near = s.void ? L.nearOther(truth, data.size, s.void, false, L.VOID) : null;
        return near ? truth.map((label, j) => (near[j] ? L.VOID : label)) : truth;
      });
      const predictions = all.map((i) => spoil(live.slice(data.labels, i), data.size, s));
      const each = all.map((i) => L.counts(predictions[i], truths[i], K)),
        c = each[s.scene],
        prediction = predictions[s.scene],
        labels = truths[s.scene];
      const iou = L.ious(c),
        known = L.sum(c.of),
        right = L.sum(c.both);
      const figures = [
        right / known,
        L.nanmean(c.both.map((n, k) => n / c.of[k])),
        L.nanmean(iou),
        L.sum(iou.map((v, k) => c.of[k] * (v || 0))) / known,
        L.nanmean(c.both.map((n, k) => (2 * n) / (c.of[k] + c.claimed[k]))),
        L.trimapIou(prediction, labels, K, data.size, s.width),
        L.boundaryIou(prediction, labels, K, data.size, s.width),
      ];
      return {
        prediction,
        labels,
        iou,
        figures,
        pooled: meanAs(data.conventions[s.convention], each),
        wrong: known - right,
        voids: c.voids,
      };
    },
    say(r, s, data) {
      const scene = data.controls.find((c) => c.name === "scene").labels[s.scene];
      const [accuracy, , mean, , , trimap, boundary] = r.figures.map((v) => live.fixed(v, 3)),
        own = r.iou[s.target];
      return (
        `This scene: ${r.wrong} pixels wrong, pixel accuracy ${accuracy}, mean IoU ${mean}; IoU of ${data.classes[s.target]} ${Number.isNaN(own) ? "undefined: it is not there" : live.fixed(own, 3)}. ` +
        `All scenes: mean IoU ${live.fixed(r.pooled, 3)} (${data.conventions[s.convention].definition}). Within ${s.width} px of an edge: trimap IoU ${trimap}, Boundary IoU ${boundary}. Void: ${r.voids} pixels. Shown: ${scene}.`
      );
    },
    draw(r, s, data, view, last) {
      const L = live.labels,
        which = `${s.convention} (${data.labels.shape[0]} scenes)`,
        names = NAMES.map((name, k) => (k > 4 ? `${name}, ${s.width} px` : name));
      view.pixels(
        "prediction",
        `prediction (chosen: ${data.classes[s.target]})`,
        data.size,
        L.colourise(r.prediction, data),
        "",
        { span: 6 },
      );
      view.pixels("errors", "errors (orange), void (grey)", data.size, L.errors(r.prediction, r.labels, data), "", {
        span: 6,
      });
      const now = [...r.figures, r.pooled],
        before = last ? [...last.figures, last.pooled] : now;
      view.chart(
        "bars",
        "",
        live.bars(
          [...names, which].map((name, k) => ({
            name,
            value: now[k],
            words: Number.isNaN(now[k]) ? "undefined" : live.fixed(now[k], 3),
            colour: k > 6 ? live.COLOURS.orange : undefined,
            ghost: Math.abs(before[k] - now[k]) > 5e-4 ? before[k] : undefined,
          })),
          { left: 190 },
        ),
        { span: 7, narrow: 12 },
      );
      view.html("legend", "", live.legend(data.classes, data.palette), { span: 5, narrow: 12 });
    },
    point(panel, x, y, r, s, data) {
      const label = live.slice(data.labels, s.scene)[
        Math.floor(y * data.size[0]) * data.size[1] + Math.floor(x * data.size[1])
      ];
      return ["prediction", "errors"].includes(panel) && label !== live.labels.VOID ? { target: label } : null;
    },
  };
  Object.assign(live.kinds.MetricsExplorer, { spoil, meanAs });
})();
