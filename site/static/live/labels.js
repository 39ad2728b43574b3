/* What explorers of labelled pictures share: counts and scores as segkit.metrics has them, and pictures with a ring. */
(() => {
  "use strict";
  const live = (globalThis.segkitLive ??= { kinds: {}, data: {} });
  const VOID = 255;
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const nanmean = (values) => {
    const known = values.filter((v) => !Number.isNaN(v));
    return sum(known) / known.length;
  };
  /** Pixels by class: right, of the truth, claimed where the truth is known, claimed on void; and void ones. */
  function counts(prediction, truth, K, where = null) {
    const [both, of, claimed, onVoid] = [0, 1, 2, 3].map(() => Array(K).fill(0));
    let voids = 0;
    for (let i = 0; i < truth.length; i++) {
      const p = prediction[i],
        t = truth[i];
      if (where && !where[i]) continue;
      if (t === VOID) {
        voids++;
        onVoid[p]++;
        continue;
      }
      of[t]++;
      claimed[p]++;
      if (p === t) both[p]++;
    }
    return { both, of, claimed, onVoid, voids };
  }
  const ious = ({ both, of, claimed }) => both.map((n, k) => n / (of[k] + claimed[k] - n)); // 0/0: NaN, not there
  const meanIou = (prediction, truth, K, where) => nanmean(ious(counts(prediction, truth, K, where)));
  /** Highest and lowest value within d along one axis, by its step through the array. */
  function widest(values, [H, W], d, axis, outside, better) {
    const found = new Int16Array(values.length),
      [n, step] = axis ? [W, 1] : [H, W];
    for (let i = 0; i < values.length; i++) {
      const at = axis ? i % W : Math.floor(i / W);
      let best = values[i];
      if (at - d < 0 || at + d >= n) best = better(best, outside);
      for (let k = Math.max(-d, -at); k <= Math.min(d, n - 1 - at); k++) best = better(best, values[i + k * step]);
      found[i] = best;
    }
    return found;
  }
  /** Where another label lies within d pixels, diagonals included; `border`: the outside is another; a `void` is none. */
  function nearOther(labels, shape, d, border = false, skip = -2) {
    let high = Int16Array.from(labels, (v) => (v === skip ? -1 : v)),
      low = Int16Array.from(labels, (v) => (v === skip ? 999 : v));
    for (const axis of [1, 0]) {
      high = widest(high, shape, d, axis, -1, Math.max);
      low = widest(low, shape, d, axis, border ? -1 : 999, Math.min);
    }
    return Uint8Array.from(labels, (v, i) => (v !== skip && high[i] !== low[i] ? 1 : 0));
  }
  const trimapIou = (prediction, truth, K, shape, d) => meanIou(prediction, truth, K, nearOther(truth, shape, d));
  function boundaryIou(prediction, truth, K, shape, d) {
    const claimed = Uint8Array.from(prediction, (p, i) => (truth[i] === VOID ? VOID : p));
    const [atP, atT] = [claimed, truth].map((labels) => nearOther(labels, shape, d, true)),
      [both, of, by] = [0, 1, 2].map(() => Array(K).fill(0));
    for (let i = 0; i < truth.length; i++) {
      if (truth[i] === VOID) continue;
      if (atT[i]) of[truth[i]]++;
      if (atP[i]) by[claimed[i]]++;
      if (atT[i] && atP[i] && truth[i] === claimed[i]) both[truth[i]]++;
    }
    return nanmean(both.map((n, k) => n / (of[k] + by[k] - n)));
  }
  const colourise = (labels, data) => (i) => data.palette[labels[i]] ?? data.void;
  const errors = (labels, truth, data) => (i) => data.errors[truth[i] === VOID ? 2 : labels[i] === truth[i] ? 0 : 1];
  const named = (labels, s, data) => {
    const label = labels[s.row * data.size[1] + s.column];
    return label === VOID ? "void" : data.classes[label];
  };
  /** A click on any panel whose stage is a picture of the data's size. */
  const pixel = (names) => (panel, x, y, r, s, data) =>
    names.includes(panel) ? { row: Math.floor(y * data.size[0]), column: Math.floor(x * data.size[1]) } : null;
  Object.assign(live, {
    labels: {
      VOID,
      sum,
      nanmean,
      counts,
      ious,
      meanIou,
      nearOther,
      trimapIou,
      boundaryIou,
      colourise,
      errors,
      named,
      pixel,
    },
  });
})();
