/* PointExplorer: a coarse answer made of true labels, and what it is worth to ask some of its points again. */
(() => {
  "use strict";
  const live = (globalThis.segkitLive ??= { kinds: {}, data: {} });
  const FARTHEST = 8,
    SHARP = "the most uncertain",
    NEAR = "nearest to borders";
  const { blue, orange, ink } = live.COLOURS;
  const LOOKS = { [SHARP]: [blue, "none"], [NEAR]: [orange, "6 3"], random: [ink, "2 3"] };
  const kept = new WeakMap(); // by data: what does not depend on the budget
  function once(data, key, make) {
    if (!kept.has(data)) kept.set(data, new Map());
    const known = kept.get(data);
    if (!known.has(key)) known.set(key, make());
    return known.get(key);
  }
  /** Shares of the classes, averaged over cells and bilinear between their centres: K×H×W. */
  function averaged(truth, stride, K, [H, W]) {
    const h = H / stride,
      w = W / stride,
      cells = new Float64Array(K * h * w),
      shares = new Float64Array(K * H * W);
    for (let i = 0; i < truth.length; i++) {
      const row = Math.floor(i / W / stride),
        column = Math.floor((i % W) / stride);
      if (truth[i] !== live.labels.VOID) cells[(truth[i] * h + row) * w + column] += 1 / stride ** 2;
    }
    const between = (at, size) => {
      const place = Math.max((at + 0.5) / stride - 0.5, 0),
        low = Math.floor(place);
      return [low, Math.min(low + 1, size - 1), place - low];
    };
    for (let y = 0; y < H; y++) {
      const [top, bottom, down] = between(y, h);
      for (let x = 0; x < W; x++) {
        const [left, right, across] = between(x, w);
        for (let k = 0; k < K; k++) {
          const line = (row) =>
            (1 - across) * cells[(k * h + row) * w + left] + across * cells[(k * h + row) * w + right];
          shares[(k * H + y) * W + x] = (1 - down) * line(top) + down * line(bottom);
        }
      }
    }
    return shares;
  }
  /** The classes of a pixel, that with the largest share first. */
  const ranked = (shares, i, K) =>
    live
      .range(0, K - 1)
      .map((k) => [k, shares[(k * shares.length) / K + i]])
      .sort((a, b) => b[1] - a[1]);
  function coarse(data, scene, stride) {
    const K = data.classes.length,
      truth = live.slice(data.truth, scene),
      shares = averaged(truth, stride, K, data.size),
      n = truth.length,
      [labels, second, margin] = [new Uint8Array(n), new Uint8Array(n), new Float64Array(n)];
    for (let i = 0; i < n; i++) {
      const [first, next] = ranked(shares, i, K);
      labels[i] = first[0];
      second[i] = first[0] === truth[i] ? next[0] : first[0]; // the likeliest class that is wrong
      margin[i] = first[1] - next[1];
    }
    const distance = new Uint8Array(n).fill(FARTHEST + 1);
    for (let d = FARTHEST; d; d--) live.labels.nearOther(labels, data.size, d).forEach((near, i) => near && (distance[i] = d));
    const drawn = new Uint16Array(n);
    data.ranks.forEach((rank, i) => (drawn[rank] = i));
    const by = (key) => Array.from(drawn).sort((a, b) => key[a] - key[b]); // ties stay as they were drawn
    return { truth, shares, labels, second, margin, orders: { [SHARP]: by(margin), [NEAR]: by(distance), random: drawn } };
  }
  function answers(c, luck, right) {
    const lucky = Math.round(right * luck.length);
    return c.truth.map((t, i) => (t === live.labels.VOID ? c.labels[i] : luck[i] < lucky ? t : c.second[i]));
  }
  function asked(c, said, order, count) {
    const found = Uint8Array.from(c.labels);
    for (let k = 0; k < count; k++) found[order[k]] = said[order[k]];
    return found;
  }
  function curves(c, said, data, width) {
    const K = data.classes.length,
      figures = (labels) => [
        live.labels.meanIou(labels, c.truth, K),
        live.labels.boundaryIou(labels, c.truth, K, data.size, width),
      ];
    return Object.fromEntries(
      Object.entries(c.orders).map(([way, order]) => [way, data.stops.map((n) => figures(asked(c, said, order, n)))]),
    );
  }
  function chart(r, last, data) {
    const every = data.stops.at(-1),
      short = (n) => (n === every ? "all" : n >= 1024 ? `${n / 1024}k` : String(n)),
      end = data.stops.length - 1;
    const ticks = live.range(0, end).filter((i) => i % 2 === 0);
    const a = live.axes({
      x: [0, end],
      y: [0, 1],
      xticks: ticks.map((i) => [i, short(data.stops[i])]),
      yticks: [0, 0.5, 1].map((v) => [v, live.fixed(v, 1)]),
      xname: "points asked",
    });
    const lines = Object.entries(LOOKS).map(([way, [colour, dashes]], row) => {
      const places = r.curves[way].map(([, edge], i) => [a.X(i), a.Y(edge)]),
        props = { "stroke-dasharray": dashes },
        y = 16 + 16 * row;
      return (
        live.path(places, colour, props) +
        live.path(
          [
            [52, y],
            [80, y],
          ],
          colour,
          props,
        ) +
        live.text(86, y + 4, way, { "font-size": 11 })
      );
    });
    const ring = (one, colour) =>
      live.dot(a.X(one.at), a.Y(one.figures[1]), 6, "none", { stroke: colour, "stroke-width": 2 });
    const marks = (last ? ring(last, live.COLOURS.faint) : "") + ring(r, live.COLOURS.vermilion);
    return { width: a.width, height: a.height, inside: a.under + lines.join("") + marks };
  }
  live.kinds.PointExplorer = {
    compute(s, data) {
      const c = once(data, `${s.scene} ${s.stride}`, () => coarse(data, s.scene, s.stride)),
        said = answers(c, data.luck, s.right),
        lines = once(data, `${s.scene} ${s.stride} ${s.right} ${s.width}`, () => curves(c, said, data, s.width)),
        points = Array.from(c.orders[s.way].slice(0, s.count)),
        after = asked(c, said, points, s.count),
        off = (labels) =>
          points.filter((i) => labels[i] !== c.truth[i] && c.truth[i] !== live.labels.VOID).length,
        at = data.stops.indexOf(s.count);
      return {
        before: c.labels,
        after,
        points,
        truth: c.truth,
        shares: c.shares,
        margin: c.margin,
        curves: lines,
        at,
        figures: lines[s.way][at],
        wrong: [off(c.labels), off(after)],
      };
    },
    say(r, s, data) {
      const three = (v) => live.fixed(v, 3),
        [mean, edge] = r.curves[s.way][0],
        [meanAfter, edgeAfter] = r.figures,
        every = r.truth.length,
        place = s.row * data.size[1] + s.column,
        named = (labels) => live.labels.named(labels, s, data);
      const who =
        s.right === 1 ? "the true labels, a ceiling" : `right at ${live.fixed(100 * s.right, 0)}% of all pixels`;
      const [first, second] = ranked(r.shares, place, data.classes.length).map(
        ([k, share]) => `${data.classes[k]} ${live.fixed(share, 2)}`,
      );
      const again = r.points.includes(place) ? `asked again, it is now ${named(r.after)}` : "it is not asked again";
      return (
        `True labels averaged to stride ${s.stride}: mean IoU ${three(mean)}, Boundary IoU ${three(edge)}. Asked again are ` +
        `${s.count} of ${every} pixels (${s.way}): ${r.wrong[0]} of them were wrong, ${r.wrong[1]} are now. That makes ` +
        `mean IoU ${three(meanAfter)} and Boundary IoU ${three(edgeAfter)}. The second answers come from no network but are ` +
        `${who}. PointRend's head takes ${three((s.count * data.macs) / 1e9)} billion multiply-adds for this many points, ` +
        `${three((every * data.macs) / 1e9)} for all. In the ring (row ${s.row}, column ${s.column}) the coarse answer says ` +
        `${first}, ${second}; ${again}, and ${named(r.truth)} is right.`
      );
    },
    draw(r, s, data, view, last) {
      const L = live.labels,
        ring = live.ring(data.size[1], s.row, s.column),
        here = new Set(r.points),
        grey = (i) => Array(3).fill(140 + 115 * live.clamp(r.margin[i], 0, 1));
      const show = (name, title, colour) => view.pixels(name, title, data.size, colour, ring);
      show("picture", "picture", live.rgb(live.slice(data.images, s.scene)));
      show("before", "coarse answer", L.colourise(r.before, data));
      show("after", "after asking again", L.colourise(r.after, data));
      show("points", "asked again (orange)", (i) => (here.has(i) ? [230, 159, 0] : grey(i)));
      show("off", "errors before (orange)", L.errors(r.before, r.truth, data));
      show("still", "errors after", L.errors(r.after, r.truth, data));
      view.chart("curves", "Boundary IoU by points asked", chart(r, last, data), { span: 7, narrow: 12 });
      view.html("legend", "", live.legend(data.classes, data.palette), { span: 5, narrow: 12 });
    },
    point: (...given) => live.labels.pixel(["picture", "before", "after", "points", "off", "still"])(...given),
  };
})();
