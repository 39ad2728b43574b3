/* PyramidExplorer: what a bin of the pooling pyramid tells a cell, and what an atrous kernel reads, computed in the page. */
(() => {
  "use strict";
  const live = (globalThis.segkitLive ??= { kinds: {}, data: {} });
  const STRIDE = 8,
    MARGIN = 80; // pixels per cell; pixels of nothing around the picture
  const bounds = (n, bins) =>
    live.range(0, bins - 1).map((u) => [Math.floor((u * n) / bins), Math.ceil(((u + 1) * n) / bins)]);
  /** The map 3×h×w pooled to bins×bins. */
  function pooled(cells, [rows, columns], mode) {
    const [channels, h, w] = cells.shape,
      found = [];
    for (let c = 0; c < channels; c++)
      for (const [top, bottom] of rows)
        for (const [left, right] of columns) {
          let sum = 0,
            most = -Infinity;
          for (let y = top; y < bottom; y++)
            for (let x = left; x < right; x++) {
              const v = cells[(c * h + y) * w + x];
              sum += v;
              most = Math.max(most, v);
            }
          found.push(mode === "max" ? most : sum / ((bottom - top) * (right - left)));
        }
    return found;
  }
  /** Enlarged to h×w with the corners aligned. */
  function enlarged(values, bins, [channels, h, w]) {
    const along = (i, n) => {
      const at = n > 1 ? (i * (bins - 1)) / (n - 1) : 0,
        low = Math.min(Math.floor(at), bins - 1);
      return [low, Math.min(low + 1, bins - 1), at - low];
    };
    return Float32Array.from({ length: channels * h * w }, (_, i) => {
      const c = Math.floor(i / (h * w)) * bins * bins,
        [t, b, v] = along(Math.floor(i / w) % h, h),
        [l, r, u] = along(i % w, w);
      return (
        (1 - v) * ((1 - u) * values[c + t * bins + l] + u * values[c + t * bins + r]) +
        v * ((1 - u) * values[c + b * bins + l] + u * values[c + b * bins + r])
      );
    });
  }
  live.kinds.PyramidExplorer = {
    compute(s, data) {
      const cells = live.slice(data.cells, s.scene),
        [, h, w] = cells.shape,
        grid = [bounds(h, s.bins), bounds(w, s.bins)];
      const [[top, bottom], [left, right]] = grid.map((axis, k) =>
        axis.find(([from, to]) => from <= [s.row, s.column][k] && [s.row, s.column][k] < to),
      );
      const taps = live
        .range(0, 8)
        .map((k) => [s.row + s.rate * (Math.floor(k / 3) - 1), s.column + s.rate * ((k % 3) - 1)]);
      return {
        grid,
        region: [top, bottom, left, right],
        beside: enlarged(pooled(cells, grid, s.mode), s.bins, cells.shape),
        taps,
        h,
        w,
        read: taps.filter(([y, x]) => y >= 0 && y < h && x >= 0 && x < w).length,
      };
    },
    say(r, s, data) {
      const [top, bottom, left, right] = r.region,
        share = ((bottom - top) * (right - left)) / (r.h * r.w),
        span = 2 * s.rate + 1;
      const rest = r.read < 9 ? `${r.read} of its nine; the other ${9 - r.read} lie outside, on zeros` : "all its nine";
      return (
        `${s.bins}×${s.bins} bins: the cell in row ${s.row}, column ${s.column} hears the ${s.mode === "avg" ? "mean" : "maximum"} of ${bottom - top}×${right - left} cells, ${live.fixed(100 * share, 0)} % of the picture, and nothing of where in them. ` +
        `The kernel at rate ${s.rate} spans ${span}×${span} cells and reads ${rest}. The picture is street ${s.scene + 1}.`
      );
    },
    draw(r, s, data, view, last) {
      const picture = live.slice(data.images, s.scene),
        colour = live.rgb(picture),
        [H, W] = picture.shape,
        { blue, orange, vermilion, faint } = live.COLOURS;
      const inner = r.grid.map((axis) => axis.slice(1).map(([start]) => start * STRIDE)),
        white = { "stroke-width": 1.2 };
      const box = ([top, bottom, left, right], ...look) =>
        live.frame(left * STRIDE, top * STRIDE, (right - left) * STRIDE, (bottom - top) * STRIDE, ...look);
      const ring = live.dot((s.column + 0.5) * STRIDE, (s.row + 0.5) * STRIDE, 7, "none", {
        stroke: orange,
        "stroke-width": 2.2,
        "vector-effect": "non-scaling-stroke",
      });
      view.pixels(
        "grid",
        "the grid, and the bin of the marked cell",
        [H, W],
        colour,
        inner[0]
          .map((y) =>
            live.path(
              [
                [0, y],
                [W, y],
              ],
              "white",
              white,
            ),
          )
          .join("") +
          inner[1]
            .map((x) =>
              live.path(
                [
                  [x, 0],
                  [x, H],
                ],
                "white",
                white,
              ),
            )
            .join("") +
          (last ? box(last.region, faint, live.DASHED) : "") +
          box(r.region, orange) +
          ring,
      );
      view.pixels(
        "beside",
        "what this grid puts beside each cell",
        [r.h, r.w],
        (i) => [0, 1, 2].map((k) => 255 * live.clamp(r.beside[k * r.h * r.w + i], 0, 1)),
        live.ring(r.w, s.row, s.column),
      );
      const wide = W + 2 * MARGIN,
        at = (v) => (v + 0.5) * STRIDE + MARGIN,
        tap = ([y, x]) =>
          y >= 0 && y < r.h && x >= 0 && x < r.w
            ? live.rect(at(x) - 6, at(y) - 6, 12, 12, blue, { stroke: "white", "stroke-width": 2 })
            : live.path(
                [
                  [at(x) - 7, at(y) - 7],
                  [at(x) + 7, at(y) + 7],
                ],
                vermilion,
              ) +
              live.path(
                [
                  [at(x) - 7, at(y) + 7],
                  [at(x) + 7, at(y) - 7],
                ],
                vermilion,
              );
      view.pixels(
        "kernel",
        "a 3×3 kernel at this rate: the cells it reads",
        [H + 2 * MARGIN, wide],
        (i) => {
          const y = Math.floor(i / wide) - MARGIN,
            x = (i % wide) - MARGIN;
          return y >= 0 && y < H && x >= 0 && x < W ? colour(y * W + x) : [255, 255, 255];
        },
        (last
          ? last.taps.map(([y, x]) => live.frame(at(x) - 6, at(y) - 6, 12, 12, faint, { "stroke-width": 1 })).join("")
          : "") + r.taps.map(tap).join(""),
        { narrow: 12 },
      );
    },
    point(panel, x, y, r, s, data) {
      const [, H, W] = data.images.shape;
      if (panel !== "kernel") return { row: Math.floor(y * r.h), column: Math.floor(x * r.w) };
      return {
        row: Math.floor((y * (H + 2 * MARGIN) - MARGIN) / STRIDE),
        column: Math.floor((x * (W + 2 * MARGIN) - MARGIN) / STRIDE),
      };
    },
  };
})();
