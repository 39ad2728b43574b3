/* AttentionExplorer: whom a window of a house front may hear, whom it hears, and what that costs, computed in the page. */
(() => {
  "use strict";
  const live = (globalThis.segkitLive ??= { kinds: {}, data: {} });
  const TILE = 4,
    SIDE = 12, // pixels of a window; windows of a front
    CELLS = SIDE * SIDE,
    ANCHORS = [1, 3, 6, 8],
    CHANNELS = 64 + 512; // of a key and a value
  const LIGHTS = ["red", "green", "blue", "yellow"];
  const row = (i) => Math.floor(i / SIDE),
    column = (i) => i % SIDE;
  /** May i hear j? Null: not windows are heard, but means over parts. */
  const MASKS = {
    "every window": () => true,
    "row and column": (i, j) => row(i) === row(j) || column(i) === column(j),
    row: (i, j) => row(i) === row(j),
    "7×7 around": (i, j) => Math.abs(row(i) - row(j)) <= 3 && Math.abs(column(i) - column(j)) <= 3,
    "110 means": null,
  };
  const means = ANCHORS.flatMap((bins) => {
    const ends = live.range(0, bins - 1).map((u) => [Math.floor((u * SIDE) / bins), Math.ceil(((u + 1) * SIDE) / bins)]);
    return ends.flatMap(([top, bottom]) =>
      ends.map(([left, right]) =>
        live
          .range(0, CELLS - 1)
          .map((i) =>
            top <= row(i) && row(i) < bottom && left <= column(i) && column(i) < right
              ? 1 / ((bottom - top) * (right - left))
              : 0,
          ),
      ),
    );
  });
  const mixed = (weights, rows) => rows[0].map((_, k) => weights.reduce((sum, w, i) => sum + w * rows[i][k], 0));
  /** A softmax of scale · (2 q·k − ‖k‖²), largest where a frame is most alike. */
  function softmax(query, keys, scale) {
    const products = keys.map((key) => key && scale * key.reduce((sum, v, k) => sum + v * (2 * query[k] - v), 0));
    const most = Math.max(...products.filter((p) => p !== null)),
      shares = products.map((p) => (p === null ? 0 : Math.exp(p - most))),
      all = shares.reduce((a, b) => a + b);
    return shares.map((s) => s / all);
  }
  /** For each window its shares of all windows, after one round. */
  function once(frames, mask, scale) {
    const may = MASKS[mask];
    if (may) return frames.map((query, i) => softmax(query, frames.map((key, j) => (may(i, j) ? key : null)), scale));
    const keys = means.map((mean) => mixed(mean, frames));
    return frames.map((query) => mixed(softmax(query, keys, scale), means));
  }
  const bill = (mask, n, rounds) => {
    const heard = { "every window": n * n, "row and column": 2 * n - 1, row: n, "7×7 around": 49, "110 means": 110 };
    return rounds * n * n * heard[mask];
  };
  const table = (stack, i, wide) => {
    const flat = live.slice(stack, i);
    return live.range(0, CELLS - 1).map((j) => Array.from(flat.subarray(wide * j, wide * (j + 1))));
  };
  const most = (values) => values.indexOf(Math.max(...values));
  const likest = (colour, lights) => most(lights.map((l) => l.reduce((sum, v, k) => sum + v * colour[k], 0) / Math.hypot(...l)));
  const grouped = (x, digits) => {
    const [whole, rest] = live.fixed(x, digits).split(".");
    return `${whole.replace(/\B(?=(\d{3})+$)/g, ",")}.${rest}`;
  };
  function costs(s, last) {
    const X = (v) => 118 + ((Math.log10(v) - 5) / 8.2) * 268,
      names = Object.keys(MASKS);
    const bars = names.map((name, i) => {
      const pairs = bill(name, s.cells, s.rounds),
        y = 10 + 34 * i,
        tick = last && name === s.mask ? live.rect(X(last) - 1.5, y - 2, 3, 17, live.COLOURS.ink) : "";
      return (
        live.text(106, y + 16, name, { "text-anchor": "end", "font-size": 11 }) +
        live.rect(118, y, X(pairs * CHANNELS) - 118, 13, live.COLOURS.blue) +
        live.rect(118, y + 14, X(4 * pairs) - 118, 10, live.COLOURS.faint) +
        (name === s.mask ? live.text(110, y + 17, "▸", { fill: live.COLOURS.orange }) : "") +
        tick
      );
    });
    const ticks = [
      [1e6, "1 M"],
      [1e9, "1 G"],
      [1e12, "1 T"],
    ].map(([v, words]) => live.text(X(v), 192, words, { "text-anchor": "middle", "font-size": 11 }));
    return { width: 400, height: 200, inside: bars.join("") + ticks.join("") };
  }
  live.kinds.AttentionExplorer = {
    compute(s, data) {
      const frames = table(data.frames, s.front, 6),
        colours = table(data.lights, s.front, 3),
        place = SIDE * s.row + s.column,
        may = MASKS[s.mask] ?? (() => true),
        every = live.range(0, CELLS - 1),
        rows = once(frames, s.mask, s.sharpness === 0 ? 0 : 10 ** (2 * s.sharpness));
      let shares = rows[place],
        allowed = every.map((j) => may(place, j));
      for (let round = 1; round < s.rounds; round++) {
        shares = mixed(shares, rows);
        const before = allowed;
        allowed = every.map((j) => before.some((open, i) => open && may(i, j)));
      }
      const mine = frames[place],
        alike = every.filter(
          (j) => j !== place && frames[j].reduce((sum, v, k) => sum + Math.abs(v - mine[k]), 0) < 1e-4,
        );
      let answer = null,
        truth = null;
      if (Math.max(...mine) - Math.min(...mine) > 0.3) {
        const heard = mixed(shares, colours),
          lights = data.lamps;
        if (Math.max(...heard) > 0.05) answer = likest(heard, lights);
        truth = likest(colours[[place, ...alike].find((i) => Math.max(...colours[i]) > 0.5)], lights);
      }
      const macs = bill(s.mask, s.cells, s.rounds) * CHANNELS;
      return { shares, allowed, answer, truth, twin: alike.length ? alike[0] : null, place, macs };
    },
    say(r, s) {
      let text = `The window in row ${s.row}, column ${s.column} may hear ${r.allowed.filter(Boolean).length} of 144 windows`;
      if (r.twin === null) text += ". It is plain wall, and has no twin.";
      else {
        const per = (share) => `${live.fixed(100 * share, 0)}%`,
          looks = r.answer === null ? "black" : LIGHTS[r.answer],
          right = LIGHTS[r.truth];
        text +=
          `, its twin ${r.allowed[r.twin] ? "among them" : "not among them"}. ${per(r.shares[r.place])} of what it hears is itself, ` +
          `${per(r.shares[r.twin])} its twin; that looks ${looks}, ${looks === right ? "which is right" : `but ${right} is right`}.`;
      }
      const kept = 4 * bill(s.mask, s.cells, s.rounds);
      return `${text} On a map of ${s.cells}×${s.cells} cells: ${grouped(r.macs / 1e9, 2)} billion multiply-adds, ${grouped(kept / 1e6, 1)} MB of shares.`;
    },
    draw(r, s, data, view, last) {
      const pixels = live.rgb(live.slice(data.images, s.front)),
        wide = TILE * SIDE,
        { orange, ink, blue } = live.COLOURS,
        top = Math.max(...r.shares);
      const marks = (step, other) =>
        live.frame(step * column(r.place), step * row(r.place), step, step, orange) +
        (r.twin === null ? "" : live.frame(step * column(r.twin), step * row(r.twin), step, step, other));
      view.pixels(
        "front",
        "who may be heard (veiled: who may not)",
        [wide, wide],
        (i) => {
          const open = r.allowed[SIDE * Math.floor(i / wide / TILE) + Math.floor((i % wide) / TILE)];
          return pixels(i).map((v) => (open ? v : 0.28 * v));
        },
        marks(TILE, "white"),
        { tall: true },
      );
      view.pixels(
        "heard",
        "who is heard, with keys written by hand",
        [SIDE, SIDE],
        (i) => [0, 0.447, 0.698].map((v) => 255 * (1 - Math.sqrt(r.shares[i] / top) * (1 - v))),
        marks(1, ink),
        { tall: true },
      );
      view.chart("costs", "what that costs: multiply-adds (blue), bytes of shares (grey)", costs(s, last?.macs), {
        narrow: 12,
      });
    },
    point(panel, x, y) {
      if (panel === "costs") return { mask: Object.keys(MASKS)[live.clamp(Math.floor((200 * y - 4) / 34), 0, 4)] };
      return { row: Math.floor(SIDE * y), column: Math.floor(SIDE * x) };
    },
  };
})();
