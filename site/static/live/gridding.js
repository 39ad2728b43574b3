/* GriddingExplorer: every state of the notebook's sliders, computed in the page. */
(() => {
  "use strict";
  const live = (globalThis.segkitLive ??= { kinds: {}, data: {} });
  const HOLE = "#f0c3a5",
    PALE = [216, 234, 245],
    BLUE = [0, 114, 178];
  const gcd = (a, b) => (b ? gcd(b, a % b) : a);
  /** Over how many paths each input of a row reaches the unit. */
  const line = (rates, kernel) =>
    rates.reduce(
      (counts, rate) => {
        const wider = Array(counts.length + (kernel - 1) * rate).fill(0);
        counts.forEach((n, i) => {
          for (let tap = 0; tap < kernel; tap++) wider[i + tap * rate] += n;
        });
        return wider;
      },
      [1],
    );
  /** HDC's rule and the count, in words; as segkit.analysis.hdc_verdict. */
  function verdict(rates, kernel, counts) {
    const n = rates.length,
      alike = rates.every((r) => r === rates[0]);
    const repeats = (p) => n % p === 0 && rates.every((r, i) => r === rates[i % p]);
    const group = alike ? rates : rates.slice(0, live.range(1, n).find(repeats));
    let m2 = group.at(-1);
    for (let i = group.length - 2; i >= 1; i--) m2 = Math.max(m2 - 2 * group[i], m2 - 2 * (m2 - group[i]), group[i]);
    const limit = group.length > 1 ? kernel : 1,
      factor = group.reduce(gcd),
      near = m2 <= limit,
      out = [];
    const holes = counts.filter((c) => !c).length,
      follows = near && factor === 1;
    if (group.length < n)
      out.push(`The group [${group.join(", ")}] repeats ${n / group.length} times, and the rule is per group.`);
    out.push(`M_2 = ${m2} ${near ? "≤" : ">"} K = ${limit}: ${near ? "fine" : "too far apart to fill"}.`);
    out.push(
      `The rates ${factor === 1 ? "have no common factor: fine." : `share the factor ${factor}: the inputs fall into ${factor}×${factor} grids that never meet.`}`,
    );
    out.push(
      holes
        ? `Counted: ${holes} ${holes === 1 ? "hole" : "holes"} among the ${counts.length} inputs of a row.`
        : `Counted: all ${counts.length} inputs of a row contribute.`,
    );
    if (follows && holes)
      out.push("The rule was made for a first rate of 1 and kernels of 3 or more; here it is not enough.");
    if (!follows && !holes) out.push("The rule is cautious: here the layers fill each other's gaps without it.");
    return out.join(" ");
  }
  const stack = (s) => {
    const one = [s.rate_1, s.rate_2, s.rate_3];
    return s.groups === 2 ? [...one, ...one] : one;
  };
  /** For each level, the input first, the places that lead to the unit, in inputs from the left end of the field. */
  const levels = (rates, kernel) => {
    let above = 0;
    return [0, ...rates].map((rate, level) => {
      above += (kernel - 1) * rate;
      const places = line(rates.slice(level), kernel).flatMap((n, i) => (n ? [i] : []));
      return places.map((place) => place + above / 2);
    });
  };
  function tree(r, height) {
    const { counts, kernel, rates } = r,
      n = counts.length,
      half = n / 2 + 0.7,
      X = (place) => 200 + (200 * (place - n / 2 + 0.5)) / half;
    const floor = height - 10,
      Y = (level) => floor - (level / rates.length) * (floor - 12),
      wide = Math.max(144 / half, 0.6);
    const lines = r.levels.slice(1).flatMap((places, i) =>
      places.flatMap((place) =>
        live.range(0, kernel - 1).map((tap) => {
          const below = place + (tap - (kernel - 1) / 2) * rates[i];
          return `M${X(place).toFixed(1)},${Y(i + 1).toFixed(1)}L${X(below).toFixed(1)},${Y(i).toFixed(1)}`;
        }),
      ),
    );
    const square = (place, level, fill) =>
      live.rect(
        X(place) - wide / 2,
        Y(level) - 4,
        wide,
        8,
        fill,
        fill === HOLE && n < 80 ? { stroke: live.COLOURS.vermilion, "stroke-width": 0.7 } : {},
      );
    return (
      live.tag("path", { d: lines.join(""), stroke: "#9a9a9a", "stroke-width": n < 80 ? 0.6 : 0.2, fill: "none" }) +
      r.levels.flatMap((places, level) => places.map((place) => square(place, level, live.COLOURS.blue))).join("") +
      counts.map((c, i) => (c ? "" : square(i, 0, HOLE))).join("") +
      rates.map((rate, i) => live.text(0, Y(i + 0.5) + 4, `rate ${rate}`, { "font-size": 11 })).join("") +
      live.dot(X(r.column), floor, 7, "none", { stroke: live.COLOURS.ink, "stroke-width": 1.5 })
    );
  }
  function uses(r, last) {
    const n = r.counts.length,
      half = n / 2 + 0.7,
      max = Math.max(...r.counts),
      wide = (200 / half) * 0.92;
    const bar = (one, i, props) => {
      const high = (80 * one.counts[i] * one.counts[one.row]) / Math.max(...one.counts) ** 2,
        m = one.counts.length;
      return live.rect(200 + (200 * (i - (m >> 1))) / half - wide / 2, 90 - high, wide, high, ...props);
    };
    const step = [1, 2, 5, 10, 20, 40].find((s) => n / s <= 10) ?? 60,
      ends = live.range(-Math.floor((n >> 1) / step), Math.floor((n >> 1) / step));
    return (
      (max ? r.counts.map((_, i) => bar(r, i, [i === r.column ? live.COLOURS.ink : live.COLOURS.blue])).join("") : "") +
      (last && last.counts.join() !== r.counts.join()
        ? last.counts.map((_, i) => bar(last, i, ["none", { stroke: "#6b6b6b" }])).join("")
        : "") +
      ends
        .map((t) =>
          live.text(200 + (200 * t * step) / half, 106, t * step, { "text-anchor": "middle", "font-size": 11 }),
        )
        .join("")
    );
  }
  live.kinds.GriddingExplorer = {
    line,
    verdict,
    fit: (s) => {
      const n = line(stack(s), s.kernel).length,
        values = live.range(-(n >> 1), n - 1 - (n >> 1));
      return { row: { values }, column: { values } };
    },
    compute(s) {
      const rates = stack(s),
        counts = line(rates, s.kernel),
        mid = counts.length >> 1;
      const place = (at) => live.clamp(mid + at, 0, counts.length - 1),
        row = place(s.row),
        column = place(s.column);
      return {
        rates,
        kernel: s.kernel,
        counts,
        row,
        column,
        paths: counts[row] * counts[column],
        levels: levels(rates, s.kernel),
        verdict: verdict(rates, s.kernel, counts),
      };
    },
    say(r) {
      const mid = r.counts.length >> 1,
        way = r.paths === 1 ? "over 1 path" : r.paths ? `over ${r.paths} paths` : "by no path";
      return `${r.verdict} The marked input (row ${r.row - mid}, column ${r.column - mid}) reaches the unit ${way}.`;
    },
    draw(r, s, data, view, last) {
      const n = r.counts.length,
        max = Math.max(...r.counts),
        share = r.counts.map((c) => c / max);
      const height = r.rates.length > 3 ? 260 : 170;
      view.chart(
        "tree",
        "one unit (top) and what it reads, layer by layer, down to the input",
        { width: 400, height, inside: tree(r, height) },
        { span: 7, narrow: 12 },
      );
      view.pixels(
        "plane",
        `paths from each input of the plane; orange: none. ${n}×${n} inputs, ${live.fixed(100 * (r.counts.filter(Boolean).length / n) ** 2, 0)} % contribute`,
        [n, n],
        (i) => {
          const both = share[Math.floor(i / n)] * share[i % n],
            root = Math.sqrt(both);
          return both ? PALE.map((p, k) => (1 - root) * p + root * BLUE[k]) : [240, 195, 165];
        },
        live.frame(r.column, r.row, 1, 1, live.COLOURS.ink) + live.frame(0, r.row, n, 1, live.COLOURS.ink, live.DASHED),
        { span: 5, narrow: 12, tall: true },
      );
      view.chart(
        "uses",
        "use of the marked row, by distance from the middle; grey: before the last move",
        { width: 400, height: 110, inside: uses(r, last) },
        { span: 7, narrow: 12 },
      );
    },
    point(panel, x, y, r) {
      const n = r.counts.length,
        mid = n >> 1;
      if (panel === "plane") return { row: Math.floor(y * n) - mid, column: Math.floor(x * n) - mid };
      return { column: Math.round((2 * x - 1) * (n / 2 + 0.7)) };
    },
  };
})();
