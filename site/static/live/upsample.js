/* UpsampleExplorer: stamps and how often each output pixel is covered, computed in the page. */
(() => {
  "use strict";
  const live = (globalThis.segkitLive ??= { kinds: {}, data: {} });
  function coverage({ kernel, stride, padding, output_padding, inputs }) {
    if (output_padding >= stride)
      throw new live.Refused(
        `output_padding=${output_padding} with stride=${stride}: it chooses among the ${stride} sizes that a convolution of this stride maps to one, so it runs from 0 to ${stride - 1}`,
      );
    const size = (inputs - 1) * stride - 2 * padding + kernel + output_padding;
    if (size < 1)
      throw new live.Refused(
        `padding=${padding} cuts everything off: ${inputs} inputs leave ${size} outputs; lower it`,
      );
    const line = Array(size).fill(0),
      starts = live.range(0, inputs - 1).map((i) => i * stride - padding);
    for (const start of starts)
      for (let tap = 0; tap < kernel; tap++) if (start + tap >= 0 && start + tap < size) line[start + tap]++;
    const first = Math.max(starts[0] + kernel - 1, 0),
      last = Math.max(starts.at(-1) + 1, 0);
    const interior = [...new Set(line.slice(first, last))].sort((a, b) => a - b);
    return { inputs, size, starts, kernel, stride, line, interior };
  }
  function stamps(c, chosen) {
    const wide = 400 / (Math.max(c.starts.at(-1) + c.kernel, c.size) - Math.min(c.starts[0], 0) + 1),
      left = Math.min(c.starts[0], 0) - 0.5;
    const X = (pixel) => (pixel - left) * wide,
      step = 150 / c.inputs;
    const squares = c.starts.flatMap((start, i) =>
      live.range(0, c.kernel - 1).map((tap) => {
        const pixel = start + tap,
          ink = i === chosen ? live.COLOURS.orange : live.COLOURS.blue,
          inside = pixel >= 0 && pixel < c.size;
        return live.rect(X(pixel - 0.46), 4 + i * step, 0.92 * wide, step - 3, inside ? ink : "white", { stroke: ink });
      }),
    );
    return { X, wide, inside: squares.join("") };
  }
  function counts(c, before, { X, wide }) {
    const usual = c.interior.at(-1) ?? 0,
      Y = (n) => 88 - n * 11;
    const every = Math.ceil(c.size / 16),
      ghost = before
        ? before.line.flatMap((n, i) => [
            [X(i - 0.5), Y(n)],
            [X(i + 0.5), Y(n)],
          ])
        : [];
    return (
      c.line
        .map(
          (n, i) =>
            live.rect(X(i - 0.46), Y(n), 0.92 * wide, 11 * n, n < usual ? live.COLOURS.pale : live.COLOURS.blue) +
            (i % every ? "" : live.text(X(i), 102, i, { "text-anchor": "middle", "font-size": 11 })) +
            (c.size > 30 ? "" : live.text(X(i), Y(n) - 2, n, { "text-anchor": "middle", "font-size": 10 })),
        )
        .join("") + (ghost.length ? live.path(ghost, live.COLOURS.faint, live.DASHED) : "")
    );
  }
  live.kinds.UpsampleExplorer = {
    coverage,
    compute: (s) => ({ ...coverage(s), chosen: [Math.min(s.row, s.inputs - 1), Math.min(s.column, s.inputs - 1)] }),
    say(c) {
      const k = c.kernel,
        s = c.stride,
        rule = k % s ? `${s} does not divide ${k}` : `${s} divides ${k}`;
      const covers = (i) => {
        const low = Math.max(c.starts[i], 0),
          high = Math.min(c.starts[i] + k, c.size) - 1;
        return high < low ? "none" : high > low ? `${low} to ${high}` : `${low}`;
      };
      const mark = ` The marked input (row ${c.chosen[0]}, column ${c.chosen[1]}) stamps output rows ${covers(c.chosen[0])} and columns ${covers(c.chosen[1])}.`;
      if (!c.interior.length)
        return `${c.size} output pixels along a side; too few inputs for an inside. ${rule}.${mark}`;
      const verdict = c.interior.length <= 1 ? "evenly" : "unevenly, which paints a grid";
      return `${c.size} output pixels along a side; inside, each is stamped ${c.interior.join(" or ")} times: ${verdict}. ${rule}.${mark}`;
    },
    draw(c, s, data, view, last) {
      const drawn = stamps(c, c.chosen[1]),
        n = c.size,
        max = Math.max(...c.line) ** 2 || 1,
        found = new Set(c.line.flatMap((a) => c.line.map((b) => a * b)));
      view.chart(
        "stamps",
        "each input pixel stamps the kernel, one stride apart",
        { width: 400, height: 158, inside: drawn.inside },
        { span: 7, narrow: 12 },
      );
      const [top, left] = c.chosen.map((i) => Math.max(c.starts[i], 0)),
        [bottom, right] = c.chosen.map((i) => Math.min(c.starts[i] + c.kernel, n));
      view.pixels(
        "plane",
        `stamps on each of ${n}×${n} pixels; dark to bright: ${[...found].sort((a, b) => a - b).join(", ")}`,
        [n, n],
        (i) => live.cividis((c.line[Math.floor(i / n)] * c.line[i % n]) / max),
        live.frame(left, top, right - left, bottom - top, live.COLOURS.vermilion),
        { span: 5, narrow: 12, tall: true },
      );
      view.chart(
        "counts",
        "stamps on each output pixel of a row; dotted: before the last move",
        { width: 400, height: 108, inside: counts(c, last, drawn) },
        { span: 7, narrow: 12 },
      );
    },
    point(panel, x, y, c) {
      const near = (place) =>
        c.starts.reduce(
          (best, start, i) =>
            Math.abs(start + c.kernel / 2 - place * c.size) < Math.abs(c.starts[best] + c.kernel / 2 - place * c.size)
              ? i
              : best,
          0,
        );
      if (panel === "stamps") return { column: Math.min(Math.floor(y * c.inputs), c.inputs - 1) };
      return panel === "plane" ? { row: near(y), column: near(x) } : null;
    },
  };
})();
