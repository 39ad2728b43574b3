/* What every explorer computes with: numbers as Python writes them, and arrays that the build has packed. */
(() => {
  "use strict";
  const live = (globalThis.segkitLive ??= { kinds: {}, data: {} });
  // a tie is rounded to the even digit, as Python does
  const fixed = (x, digits) => {
    if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
    const whole = x * 2 ** (digits + 1); // an exact tie has no more binary digits than this
    if (Number.isInteger(whole)) {
      const twice = whole * 5 ** digits;
      if (Math.abs(twice) % 2 === 1) {
        const below = Math.floor(twice / 2);
        return ((below % 2 ? below + 1 : below) / 10 ** digits).toFixed(digits);
      }
    }
    return x.toFixed(digits);
  };
  const general = (x, digits = 6) => {
    if (!x || !Number.isFinite(x)) return x ? fixed(x, 0) : "0";
    const after = digits - 1 - Math.floor(Math.log10(Math.abs(x)));
    return String(Number(after >= 0 ? fixed(x, Math.min(after, 100)) : x.toPrecision(digits)));
  };
  const commas = (x) => fixed(x, 0).replace(/\B(?=(\d{3})+$)/g, ",");
  const amount = (x, unit = "") => {
    for (const [prefix, step] of [
      ["T", 1e12],
      ["G", 1e9],
      ["M", 1e6],
      ["k", 1e3],
    ])
      if (x >= step) return `${fixed(x / step, 1)} ${prefix}${unit}`;
    return `${general(x)} ${unit}`.trim();
  };
  const even = (x) => Number(fixed(x, 0)); // Python's round()
  const range = (low, high) => Array.from({ length: Math.max(high - low + 1, 0) }, (_, i) => low + i);
  const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
  class Refused extends Error {} // a combination that cannot be, with the reason for the reader

  // {z, shape, type} is a compressed array
  const TYPES = { u8: Uint8Array, u16: Uint16Array, f32: Float32Array, f64: Float64Array };
  async function inflated({ z, shape, type }) {
    const bytes = Uint8Array.from(atob(z), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return Object.assign(new TYPES[type](await new Response(stream).arrayBuffer()), { shape });
  }
  async function unpacked(given) {
    if (given === null || typeof given !== "object") return given;
    if (typeof given.z === "string") return inflated(given);
    const made = Array.isArray(given) ? [] : {};
    for (const [name, value] of Object.entries(given)) made[name] = await unpacked(value);
    return made;
  }
  /** One map of a stack N×H×W, without a copy. */
  const slice = (stack, i) => {
    const shape = stack.shape.slice(1),
      size = shape.reduce((a, b) => a * b, 1);
    return Object.assign(stack.subarray(i * size, (i + 1) * size), { shape });
  };

  Object.assign(live, { fixed, general, commas, amount, even, range, clamp, Refused, unpacked, slice });
})();
