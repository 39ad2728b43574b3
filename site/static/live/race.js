/* RaceExplorer: recorded networks by cost and score, the front, and who wins within a budget, computed in the page. */
(() => {
  "use strict";
  const live = (globalThis.segkitLive ??= { kinds: {}, data: {} });
  const FREE = "no limit",
    LOOKS = [
      ["#0072B2", "o"],
      ["#E69F00", "s"],
      ["#009E73", "^"],
      ["#CC79A7", "D"],
      ["#56B4E9", "v"],
      ["#222222", "P"],
    ];
  const number = (v) => (v >= 99.95 ? live.commas(v) : live.general(v, 3));
  const spread = ([mean, off]) =>
    off ? `${live.fixed(mean, 1)} ± ${live.fixed(off, 1)} %` : `${live.fixed(mean, 1)} %`;
  function front(places) {
    const sorted = [...places].sort((a, b) => a.x - b.x || b.mean - a.mean),
      kept = [];
    for (const p of sorted)
      if (!kept.length || p.mean > kept.at(-1).mean || (p.mean === kept.at(-1).mean && p.x === kept.at(-1).x))
        kept.push(p);
    return kept;
  }
  const shape = (mark, x, y, r, props) => {
    const poly = {
      s: [
        [-1, -1],
        [1, -1],
        [1, 1],
        [-1, 1],
      ],
      "^": [
        [0, -1.2],
        [1.1, 0.9],
        [-1.1, 0.9],
      ],
      v: [
        [0, 1.2],
        [1.1, -0.9],
        [-1.1, -0.9],
      ],
      D: [
        [0, -1.3],
        [1.3, 0],
        [0, 1.3],
        [-1.3, 0],
      ],
      P: [
        [-1.2, -0.4],
        [1.2, -0.4],
        [1.2, 0.4],
        [-1.2, 0.4],
      ],
    }[mark];
    return poly
      ? live.tag("polygon", { points: poly.map(([u, v]) => `${x + r * u},${y + r * v}`).join(" "), ...props })
      : live.dot(x, y, r, props.fill, props);
  };
  function ticks([low, high], log) {
    if (!log) {
      const step = 10 ** Math.floor(Math.log10(high - low)),
        by = [1, 2, 5].map((k) => k * step).find((k) => (high - low) / k <= 6) ?? step;
      return live.range(Math.ceil(low / by), Math.floor(high / by)).map((k) => [k * by, number(k * by)]);
    }
    const by = high / low < 12 ? [1, 1.5, 2, 3, 4, 5, 7] : [1, 2, 5];
    return live
      .range(-4, 9)
      .flatMap((e) => by.map((k) => k * 10 ** e))
      .filter((v) => v >= low && v <= high)
      .map((v) => [v, number(v)]);
  }
  function scale(s, data) {
    // holds all networks, shown or not
    const all = located(data.entrants, s, data),
      xs = all.map((p) => p.x),
      low = Math.min(...all.map((p) => p.mean - p.off)),
      high = Math.max(...all.map((p) => p.mean + p.off)),
      log = s.axis === "logarithmic";
    const margin = 0.09 * (high - low) || 5,
      [least, most] = [Math.min(...xs), Math.max(...xs)],
      wide = log ? Math.max((most / least) ** 0.08, 1.05) : 0.08 * (most - least) || 0.1 * most;
    const x = log ? [least / wide, most * wide ** 1.5] : [least - wide, most + 1.5 * wide],
      y = [low - margin, high + margin],
      step = [1, 2, 5, 10, 20].find((k) => (y[1] - y[0]) / k <= 7) ?? 25;
    return live.axes({
      x,
      y,
      log,
      height: 300,
      xticks: ticks(x, log),
      yticks: live.range(Math.ceil(y[0] / step), Math.floor(y[1] / step)).map((v) => [v * step, v * step]),
      xname: data.costs[s.cost].title,
      yname: `${data.scores[s.score]}, %`,
    });
  }
  const located = (entrants, s, data) =>
    entrants
      .filter((e) => s.cost in e.costs && s.score in e.scores)
      .map((e) => ({
        name: e.name,
        family: e.family,
        x: data.costs[s.cost].scale * e.costs[s.cost],
        mean: e.scores[s.score][0],
        off: e.scores[s.score][1],
      }));
  function names(places, a, first) {
    // beside their points, where there is room; those of the front before the others
    const taken = places.map((p) => [a.X(p.x) - 5, a.Y(p.mean) - 5, 10, 10]),
      out = [];
    for (const p of [...places].sort((u, v) => first.includes(v.name) - first.includes(u.name))) {
      const w = 5.1 * p.name.length,
        [x, y] = [a.X(p.x), a.Y(p.mean)],
        beside = [
          [x + 8, y - 5],
          [x - 8 - w, y - 5],
        ],
        off = [
          [x + 7, y + 3],
          [x - w / 2, y - 18],
          [x - w / 2, y + 8],
        ],
        spots = first.includes(p.name) ? [...off, ...beside] : [...beside, ...off];
      const free = spots
        .map(([l, t]) => [l, t, w, 11])
        .find(
          ([l, t, u, v]) =>
            l > 46 &&
            l + u < 400 &&
            t > 2 &&
            t + v < 262 &&
            !taken.some(([m, n, c, d]) => l < m + c && m < l + u && t < n + d && n < t + v),
        );
      if (free) {
        taken.push(free);
        out.push(live.text(free[0], free[1] + 9, p.name, { "font-size": 9 }));
      }
    }
    return out.join("");
  }
  function chart(r, s, data, last) {
    const a = scale(s, data),
      steps = (kept) =>
        kept.flatMap((p, i) => [...(i ? [[a.X(p.x), a.Y(kept[i - 1].mean)]] : []), [a.X(p.x), a.Y(p.mean)]]),
      on = r.front.map((p) => p.name);
    const points = r.places.map((p) => {
      const [fill, mark] = LOOKS[data.families.indexOf(p.family) % 6],
        ahead = on.includes(p.name),
        [x, y] = [a.X(p.x), a.Y(p.mean)];
      return (
        live.path(
          [
            [x, a.Y(p.mean - p.off)],
            [x, a.Y(p.mean + p.off)],
          ],
          fill,
          { "stroke-width": 1 },
        ) + shape(mark, x, y, ahead ? 5 : 4, { fill, stroke: ahead ? "#222" : "#fff", "stroke-width": 1 })
      );
    });
    const circle = (p, colour) =>
        p ? live.dot(a.X(p.x), a.Y(p.mean), 9, "none", { stroke: colour, "stroke-width": 2 }) : "",
      limit = Number.isFinite(r.budget) ? live.clamp(a.X(r.budget), 44, 390) : null;
    return {
      ...a,
      inside:
        a.under +
        live.path(steps(r.front), "#222", { "stroke-width": 1 }) +
        (last && last.cost === r.cost ? live.path(steps(last.front), live.COLOURS.faint, live.DASHED) : "") +
        points.join("") +
        names(r.places, a, on) +
        (limit === null
          ? ""
          : live.rect(limit, 8, 390 - limit, 254, "white", { opacity: 0.72 }) +
            live.path(
              [
                [limit, 8],
                [limit, 262],
              ],
              live.COLOURS.vermilion,
              { "stroke-width": 1.2 },
            )) +
        (last && last.cost === r.cost && last.winner?.name !== r.winner?.name
          ? circle(last.winner, live.COLOURS.faint)
          : "") +
        circle(r.winner, live.COLOURS.vermilion),
    };
  }
  live.kinds.RaceExplorer = {
    keys: { x: "budget" },
    hint: "Click or tap a place in the chart, or use the arrow keys, to set the budget.",
    fit(s, data, by) {
      // each cost has stops of its own; another cost starts without a limit
      const values = [...data.stops[s.cost], FREE],
        same = by.budget.values.join() === values.join();
      return same ? {} : { budget: { values, labels: values.map((v) => (v === FREE ? v : number(v))), value: FREE } };
    },
    compute(s, data) {
      const shown = data.families.filter((f) => s[`show ${f}`] ?? true),
        mine = data.entrants.filter((e) => shown.includes(e.family)),
        places = located(mine, s, data);
      if (!mine.length) throw new live.Refused("no family is ticked; tick at least one");
      if (!places.length)
        throw new live.Refused(
          `no network of ${shown.join(", ")} has both ${data.costs[s.cost].title} and ${data.scores[s.score]}; choose other axes, or another family`,
        );
      const budget = s.budget === FREE ? Infinity : s.budget,
        fitting = places.filter((p) => p.x <= budget).sort((p, q) => q.mean - p.mean || p.x - q.x);
      return {
        cost: s.cost,
        budget,
        places,
        front: front(places),
        fitting,
        winner: fitting[0] ?? null,
        without: mine.filter((e) => !places.some((p) => p.name === e.name)).map((e) => e.name),
      };
    },
    say(r, s, data) {
      const { words } = data.costs[s.cost],
        limit = Number.isFinite(r.budget) ? `At most ${number(r.budget)} ${words}` : "Without a limit",
        count = r.places.length;
      let text = `${count} network${count > 1 ? "s" : ""}; beaten by no other in both cost and score: ${r.front.map((p) => p.name).join("; ")}. `;
      if (!r.winner)
        text += `${limit}: nothing is that cheap; ${r.front[0].name} takes ${number(r.front[0].x)} ${words}.`;
      else {
        const { costs } = data.entrants.find((e) => e.name === r.winner.name),
          order = [s.cost, ...data.order.filter((k) => k !== s.cost && k in costs)];
        const prices = order.map((k) => `${number(data.costs[k].scale * costs[k])} ${data.costs[k].words}`).join(", "),
          [best, next] = r.fitting;
        text += `${limit}${Number.isFinite(r.budget) ? `, ${r.fitting.length} fit` : ""}: ${best.name} wins, ${data.scores[s.score]} ${spread([best.mean, best.off])} for ${prices}`;
        text += next ? `; next is ${next.name}, ${live.fixed(best.mean - next.mean, 1)} points behind.` : ".";
      }
      const files = new Set(
        s.cost === "ms" ? data.entrants.filter((e) => r.places.some((p) => p.name === e.name)).map((e) => e.file) : [],
      ).size;
      if (files > 1) text += ` These times come from ${files} files: compare only those of one.`;
      return `${text}${r.without.length ? ` Not measured: ${r.without.join(", ")}.` : ""} The axis of costs is ${s.axis}.`;
    },
    draw(r, s, data, view, last) {
      view.chart("chart", "better is higher and further to the left", chart(r, s, data, last), { span: 8, narrow: 12 });
      const rows = r.front
        .map(
          (p) =>
            `<tr${p.name === r.winner?.name ? ' style="font-weight:bold"' : ""}><td>${live.esc(p.name)}</td><td>${number(p.x)}</td><td>${live.fixed(p.mean, 1)} %</td></tr>`,
        )
        .join("");
      const key = data.families
        .map((f, i) =>
          live.tag(
            "span",
            { class: "sk-key" },
            `<svg style="display:inline;position:static;width:14px;height:14px" viewBox="-7 -7 14 14">${shape(LOOKS[i % 6][1], 0, 0, 5, { fill: LOOKS[i % 6][0] })}</svg>${live.esc(f)}`,
          ),
        )
        .join(" ");
      view.html(
        "front",
        "the front, the cheapest first",
        `<table><tr><th>network</th><th>${live.esc(data.costs[s.cost].title)}</th><th>${live.esc(data.scores[s.score])}</th></tr>${rows}</table><p>${key}</p><p>Ring: the winner. Dotted and grey: before the last move.</p>`,
        { span: 4, narrow: 12 },
      );
    },
    point(panel, x, y, r, s, data) {
      if (panel !== "chart") return null;
      const value = scale(s, data).value(x),
        stops = data.stops[s.cost];
      return {
        budget:
          value > stops.at(-1)
            ? FREE
            : stops.reduce((best, v) => (Math.abs(v - value) < Math.abs(best - value) ? v : best)),
      };
    },
  };
})();
