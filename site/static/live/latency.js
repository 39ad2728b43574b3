/* LatencyExplorer: the layers of a small network and what each multiplies. Times are for the notebook to measure. */
(() => {
  "use strict";
  const live = (globalThis.segkitLive ??= { kinds: {}, data: {} });
  const SCHEDULES = { early: [1, 2, 3], "as usual": [1, 3, 5], late: [4, 5, 6] }, // the layers that halve the map
    KINDS = {
      dense: "dense 3×3 layers",
      separable: "separable layers",
      strips: "layers of two strips",
      ESP: "ESP blocks",
    },
    WIDER = [1, 1, 2, 2, 4, 4],
    CLASSES = 13,
    STEP = 22,
    HEIGHT = 13 * STEP + 8; // units of a row, and of a chart
  /** Multiply-adds of a layer from i to o channels that gives a map of `side` cells, after a stride. */
  function macs(kind, i, o, side, stride) {
    const cells = side * side,
      inner = Math.floor(o / 5);
    if (kind === "dense") return cells * 9 * i * o;
    if (kind === "separable") return cells * (9 * i + i * o);
    if (kind === "strips") return cells * 3 * o * (stride * i + o); // the column has not shrunk the other side yet
    if (kind === "ESP")
      return cells * inner * ((stride === 1 ? 1 : 9) * i + 9 * (o - 4 * inner) + 36 * inner); // reduce, then five rates
    return kind === "1×1" ? cells * i * o : 0;
  }
  function layer(name, kind, i, o, side, stride = 1) {
    const after = kind === "×2" ? 2 * side : side / stride;
    return { name, side: after, channels: o, macs: macs(kind, i, o, after, stride) };
  }
  function layers({ side, width, schedule, kind }) {
    const found = [];
    let before = 3;
    [...WIDER, 2, 1].forEach((wider, at) => {
      const number = at + 1,
        stride = SCHEDULES[schedule].includes(number) ? 2 : 1;
      if (number > WIDER.length) {
        found.push(layer(`up${number - WIDER.length}`, "×2", before, before, side));
        side *= 2;
      }
      found.push(layer(`conv${number}`, number > 1 ? kind : "dense", before, wider * width, side, stride));
      before = wider * width;
      side /= stride;
    });
    found.push(layer("score", "1×1", before, CLASSES, side), layer("up3", "×2", CLASSES, CLASSES, side));
    return found;
  }
  const total = (found) => found.reduce((sum, one) => sum + one.macs, 0);
  const colour = (one, chosen) =>
    one.name === chosen ? live.COLOURS.vermilion : one.macs ? live.COLOURS.blue : live.COLOURS.pale;
  /** A row for each layer and one for all: bars from `from` to `to`, marks of the last move, words on the right. */
  function chart(found, chosen, span, mark, words, sum) {
    const rows = found.map((one, i) => {
      const y = STEP * i + 4,
        [from, to] = span(one, i),
        at = mark(i);
      return (
        live.text(44, y + 12, one.name, { "text-anchor": "end" }) +
        live.rect(from, y, to - from, STEP - 8, colour(one, chosen)) +
        (at === null ? "" : live.rect(at - 1.5, y - 2, 3, STEP - 4, live.COLOURS.orange)) +
        live.text(396, y + 12, words(one), { "text-anchor": "end" })
      );
    });
    const floor = STEP * found.length + 1,
      last =
        live.path(
          [
            [0, floor],
            [400, floor],
          ],
          live.COLOURS.faint,
          { "stroke-width": 1 },
        ) +
        live.text(44, floor + 17, "all", { "text-anchor": "end" }) +
        live.text(396, floor + 17, sum, { "text-anchor": "end" });
    return { width: 400, height: HEIGHT, inside: rows.join("") + last };
  }
  live.kinds.LatencyExplorer = {
    layers,
    keys: { y: "layer" },
    hint: "Click or tap a row, or use the arrow keys, to choose the layer that the sentence is about.",
    compute: (s) => ({ found: layers(s) }),
    say({ found }, s) {
      const all = total(found),
        one = found.find((x) => x.name === s.layer),
        most = found.reduce((a, b) => (b.macs > a.macs ? b : a));
      return (
        `${s.side}×${s.side} pixels, width ${s.width}, ${KINDS[s.kind]}, shrunk ${s.schedule}: ${live.amount(all)} ` +
        `multiply-adds. ${one.name} has ${live.fixed((100 * one.macs) / all, 0)}% of them, on a map of ${one.side}×${one.side} ` +
        `cells with ${one.channels} channels. ${most.name} has the most. To enlarge takes none. ` +
        "Milliseconds do not follow from these numbers: the notebook measures those of your machine."
      );
    },
    draw({ found }, s, data, view, last) {
      const before = last?.found,
        longest = Math.max(...[...found, ...(before ?? [])].map((one) => one.macs)),
        half = (one, of) => (120 * one.side) / of.at(-1).side;
      view.chart(
        "maps",
        "the map that it gives",
        chart(
          found,
          s.layer,
          (one) => [172 - half(one, found), 172 + half(one, found)],
          (i) => (before ? 172 + half(before[i], before) : null),
          (one) => `${one.side}²×${one.channels}`,
          `picture ${s.side}²`,
        ),
        { span: 6, narrow: 12 },
      );
      view.chart(
        "macs",
        "multiply-adds",
        chart(
          found,
          s.layer,
          (one) => [50, 50 + (260 * one.macs) / longest],
          (i) => (before ? 50 + (260 * before[i].macs) / longest : null),
          (one) => live.amount(one.macs),
          live.amount(total(found)),
        ),
        { span: 6, narrow: 12 },
      );
      view.html("note", "", "Bars in shares of the longest; orange: before the last move.", { span: 12, narrow: 12 });
    },
    point(panel, x, y, { found }) {
      const row = Math.floor((HEIGHT * y - 1) / STEP);
      return panel !== "note" && row >= 0 && row < found.length ? { layer: found[row].name } : null;
    },
  };
})();
