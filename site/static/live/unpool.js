/* UnpoolExplorer: five ways back from a pooled map, on sixteen numbers and on a picture, computed in the page. */
(() => {
  "use strict";
  const live = (globalThis.segkitLive ??= { kinds: {}, data: {} });
  const KEEPS = { "max-unpooling": "kept: addresses", concatenation: "kept: the map itself" };
  const DOES = {
    "max-unpooling": "goes back to where the largest value stood; the rest is 0",
    "bed of nails": "goes to the upper left corner of its window; the rest is 0",
    nearest: "fills its window",
    bilinear: "fades towards its neighbours (0 where they are not back yet)",
    concatenation: "fills its window, and the map from before pooling is laid beside it",
  };
  function pool(before, [H, W], factor) {
    const [h, w] = [H / factor, W / factor],
      pooled = new Float32Array(h * w),
      places = new Int32Array(h * w);
    for (let i = 0; i < h * w; i++) {
      const top = Math.floor(i / w) * factor,
        left = (i % w) * factor;
      let best = top * W + left;
      for (let y = top; y < top + factor; y++)
        for (let x = left; x < left + factor; x++) if (before[y * W + x] > before[best]) best = y * W + x;
      [pooled[i], places[i]] = [before[best], best];
    }
    return { pooled, places, small: [h, w] };
  }
  function bilinear(part, [h, w], factor) {
    // as interpolate with align_corners=False
    const after = new Float32Array(h * w * factor * factor),
      W = w * factor;
    const along = (i, n) => {
      const at = Math.max((i + 0.5) / factor - 0.5, 0),
        low = Math.min(Math.floor(at), n - 1);
      return [low, Math.min(low + 1, n - 1), at - low];
    };
    for (let i = 0; i < after.length; i++) {
      const [t, b, v] = along(Math.floor(i / W), h),
        [l, r, u] = along(i % W, w);
      after[i] =
        (1 - v) * ((1 - u) * part[t * w + l] + u * part[t * w + r]) +
        v * ((1 - u) * part[b * w + l] + u * part[b * w + r]);
    }
    return after;
  }
  /** The first `done` cells of the pooled map brought back, and what the way down keeps for the way up. */
  function unpool(before, size, factor, method, done = Infinity) {
    const [H, W] = size,
      { pooled, places, small } = pool(before, size, factor),
      part = pooled.map((v, i) => (i < done ? v : 0));
    let after = new Float32Array(H * W),
      kept = new Float32Array(H * W),
      bits = 0;
    const corner = (i) => Math.floor(i / small[1]) * factor * W + (i % small[1]) * factor;
    if (method === "max-unpooling") {
      part.forEach((v, i) => {
        after[places[i]] = v;
        kept[places[i]] = 1;
      });
      bits = Math.log2(factor ** 2) / factor ** 2;
    } else if (method === "bed of nails") part.forEach((v, i) => (after[corner(i)] = v));
    else if (method === "bilinear") after = bilinear(part, small, factor);
    else {
      after = after.map(
        (_, i) => part[Math.floor(Math.floor(i / W) / factor) * small[1] + Math.floor((i % W) / factor)],
      );
      if (method === "concatenation") {
        kept = before;
        bits = 32;
      }
    }
    const error = after.reduce((sum, v, i) => sum + Math.abs(v - before[i]), 0) / after.length;
    return {
      method,
      size,
      factor,
      before,
      pooled,
      places,
      small,
      after,
      kept,
      bits,
      done: Math.min(done, pooled.length),
      error,
    };
  }
  /** Where the last cell that is back stands in each of the four grids: row, column, side in cells; null for nowhere. */
  function marks(u) {
    if (!u.done) return [null, null, null, null];
    const [row, column] = [Math.floor((u.done - 1) / u.small[1]), (u.done - 1) % u.small[1]],
      at = u.places[u.done - 1],
      W = u.size[1];
    const source = [Math.floor(at / W), at % W, 1],
      corner = [row * u.factor, column * u.factor];
    const target = u.method === "max-unpooling" ? source : [...corner, u.factor];
    return [
      source,
      [row, column, 1],
      u.method === "bed of nails" ? [...corner, 1] : target,
      KEEPS[u.method] ? target : null,
    ];
  }
  function grid(values, n, mark, ghost, blank) {
    const cells = Array.from(values, (v, i) => {
      const [x, y] = [(i % n) * 25, Math.floor(i / n) * 25],
        share = live.clamp(v / 14.4, 0, 1);
      return (
        live.rect(
          x * (4 / n),
          y * (4 / n),
          100 / n,
          100 / n,
          `rgb(${[247 - 239 * share, 251 - 203 * share, 255 - 148 * share].map(Math.round)})`,
          { stroke: "#9a9a9a", "stroke-width": 0.6 },
        ) +
        (blank && !v
          ? ""
          : live.text((x + 12.5) * (4 / n), (y + 12.5) * (4 / n) + 4, live.general(v, 3), {
              "text-anchor": "middle",
              "font-size": 10,
            }))
      );
    });
    const put = (at, colour, more) =>
      at ? live.frame((at[1] * 100) / n, (at[0] * 100) / n, (at[2] * 100) / n, (at[2] * 100) / n, colour, more) : "";
    return {
      width: 100,
      height: 100,
      inside: cells.join("") + put(ghost, live.COLOURS.faint, live.DASHED) + put(mark, live.COLOURS.orange),
    };
  }
  live.kinds.UnpoolExplorer = {
    unpool,
    keys: { x: "step" },
    hint: "Click or tap a cell, or use the arrow keys, to bring cells back.",
    compute(s, data) {
      const grey = live.slice(data.greys, s.scene);
      return {
        small: unpool(data.numbers, [4, 4], 2, s.method, s.step),
        large: unpool(grey, grey.shape, s.factor, s.method),
      };
    },
    say: ({ small, large }) =>
      `${small.done} of 4 cells are back; each ${DOES[small.method]}. Mean error: ${live.fixed(small.error, 2)} on the numbers, ${live.fixed(large.error, 3)} on the picture (0–1). ` +
      `Kept for the way up: ${live.general(large.bits, 3)} bits for each pixel of the picture.`,
    draw({ small, large }, s, data, view, last) {
      const now = marks(small),
        old = last ? marks(last.small) : [null, null, null, null],
        kept = KEEPS[small.method] ?? "kept: nothing";
      const grey = (values) => (i) => Array(3).fill(255 * live.clamp(values[i], 0, 1)),
        names = ["before", "max-pooled", "back up", kept];
      [
        [small.before, 4],
        [small.pooled, 2],
        [small.after, 4],
        [small.kept, 4],
      ].forEach(([values, n], k) =>
        view.chart(`grid ${k}`, k === 1 ? "max-pooled, 2×2" : names[k], grid(values, n, now[k], old[k], k === 3), {
          span: 3,
        }),
      );
      [
        [large.before, large.size],
        [large.pooled, large.small],
        [large.after, large.size],
        [large.kept, large.size],
      ].forEach(([values, size], k) => view.pixels(`picture ${k}`, names[k], size, grey(values), "", { span: 3 }));
      view.chart(
        "error",
        "",
        live.bars(
          [
            {
              name: "mean error on the picture",
              value: large.error / 0.6,
              words: live.fixed(large.error, 3),
              ghost: last ? last.large.error / 0.6 : undefined,
              mark: live.COLOURS.orange,
            },
          ],
          { left: 160 },
        ),
        { span: 6, narrow: 12 },
      );
    },
    point(panel, x, y) {
      return panel.startsWith("grid") ? { step: 2 * Math.floor(2 * y) + Math.floor(2 * x) + 1 } : null;
    },
  };
})();
