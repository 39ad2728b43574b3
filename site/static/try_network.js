/* From a file to labels, all of it on the reader's own machine: decode, resize, run, choose. try.js shows the outcome.
   What segkit.inference.Segmenter does in Python, this does here: the same sizes, the same order, the same rounding.
   A classic script on purpose: module scripts are refused on pages that were opened from a file. */
(() => {
  const here = new URL(".", document.currentScript.src).href;
  const LARGE = 2048 * 1024; // pixels; `segkit predict` cuts larger pictures into tiles, here they are made smaller
  const HEAVY = 100e6; // bytes of a file
  const AS_STORED = { imageOrientation: "from-image", premultiplyAlpha: "none", colorSpaceConversion: "none" };

  /* The picture of a file: {rgba, width, height, notes}, turned upright by its EXIF tag, as people see it. */
  async function decode(file) {
    const name = file.name ? `“${file.name}”` : "That";
    if (file.size > HEAVY)
      throw new Error(`${name} has ${megabytes(file.size)}; the most is ${megabytes(HEAVY)}. Save it as JPEG.`);
    let bitmap;
    try {
      bitmap = await createImageBitmap(file, AS_STORED);
    } catch {
      const kind = file.type ? ` (it says that it is ${file.type})` : "";
      throw new Error(
        `${name} is not a picture that this browser can read${kind}. PNG, JPEG and WebP are, unless damaged or too ` +
          "large; save a HEIC photograph as JPEG first."
      );
    }
    try {
      return drawn(bitmap, bitmap.width, bitmap.height);
    } finally {
      bitmap.close();
    }
  }

  /* What a canvas makes of a bitmap or an image: at most LARGE pixels, and white where it is transparent. */
  function drawn(source, W, H) {
    const notes = [], shrink = Math.min(1, Math.sqrt(LARGE / (W * H)));
    const width = Math.max(1, Math.floor(W * shrink)), height = Math.max(1, Math.floor(H * shrink));
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    if (!pen) throw new Error(`The browser has no memory for ${W}×${H} pixels. Take a smaller picture.`);
    pen.imageSmoothingQuality = "high";
    pen.drawImage(source, 0, 0, width, height);
    const rgba = pen.getImageData(0, 0, width, height).data;
    let clear = false;
    for (let i = 3; i < rgba.length; i += 4) {
      const a = rgba[i];
      if (a === 255) continue;
      clear = true;
      for (let c = i - 3; c < i; c++) rgba[c] = (rgba[c] * a + 255 * (255 - a)) / 255;
      rgba[i] = 255;
    }
    if (shrink < 1) notes.push(`The picture has ${W}×${H} pixels and was first made smaller, to ${width}×${height}.`);
    if (clear) notes.push("Its transparent parts are taken as white.");
    return { rgba, width, height, notes };
  }

  /* Height and width for a shorter side of so many pixels; null leaves the picture as it is. */
  const sized = (H, W, side) =>
    side === null ? [H, W] : [H, W].map((n) => Math.max(1, Math.floor((n * side) / Math.min(H, W))));

  function planes({ rgba, width, height }) { // 3, H, W in 0–1
    const area = width * height, out = new Float32Array(3 * area);
    for (let i = 0; i < area; i++) for (let c = 0; c < 3; c++) out[c * area + i] = rgba[4 * i + c] / 255;
    return out;
  }

  /* For each of m pixels: the first of the n pixels that it averages, and their weights (torch's, with antialias). */
  function tents(n, m) {
    const scale = n / m, reach = Math.max(1, scale);
    return Array.from({ length: m }, (_, i) => {
      const centre = scale * (i + 0.5), first = Math.max(0, Math.floor(centre - reach + 0.5));
      const end = Math.min(n, Math.floor(centre + reach + 0.5));
      const tent = (_, j) => Math.max(0, 1 - Math.abs((j + first - centre + 0.5) / reach));
      const w = Array.from({ length: end - first }, tent);
      const sum = w.reduce((a, b) => a + b, 0);
      return [first, Float32Array.from(w, (v) => v / sum)];
    });
  }

  function resized(x, H, W, h, w) { // 3, H, W → 3, h, w: along the rows, then along the columns
    if (H === h && W === w) return x;
    const across = tents(W, w), down = tents(H, h);
    const wide = new Float32Array(3 * H * w), out = new Float32Array(3 * h * w);
    for (let i = 0; i < wide.length; i++) {
      const [first, weight] = across[i % w], at = Math.floor(i / w) * W + first;
      let sum = 0;
      for (let j = 0; j < weight.length; j++) sum += weight[j] * x[at + j];
      wide[i] = sum;
    }
    for (let i = 0; i < out.length; i++) {
      const row = Math.floor(i / w), [first, weight] = down[row % h];
      const at = (Math.floor(row / h) * H + first) * w + (i % w);
      let sum = 0;
      for (let j = 0; j < weight.length; j++) sum += weight[j] * wide[at + j * w];
      out[i] = Math.min(1, Math.max(0, sum));
    }
    return out;
  }

  /* The best class of each pixel, of scores K, h, w, which are enlarged first: enlarged labels would be blocks. */
  function labelsAt(scores, K, h, w, H, W) {
    const labels = new Uint8Array(H * W), rows = new Map();
    const place = (i, n, m) => {
      const at = Math.min(n - 1, Math.max(0, ((i + 0.5) * n) / m - 0.5));
      return [Math.floor(at), at % 1];
    };
    const columns = Array.from({ length: W }, (_, x) => place(x, w, W));
    function row(v) { // K, W: one row of the scores at the picture's width
      if (rows.has(v)) return rows.get(v);
      const out = new Float32Array(K * W);
      for (let k = 0; k < K; k++) for (let x = 0, at = (k * h + v) * w; x < W; x++) {
        const [left, share] = columns[x];
        out[k * W + x] = (1 - share) * scores[at + left] + share * scores[at + Math.min(left + 1, w - 1)];
      }
      if (rows.size > 3) rows.delete(rows.keys().next().value);
      rows.set(v, out);
      return out;
    }
    const best = new Float32Array(W);
    for (let y = 0; y < H; y++) {
      const [top, share] = place(y, h, H), a = row(top), b = row(Math.min(top + 1, h - 1));
      for (let k = 0; k < K; k++) for (let x = 0; x < W; x++) {
        const value = Math.fround(a[k * W + x] + share * (b[k * W + x] - a[k * W + x]));
        if (k === 0 || value > best[x]) { best[x] = value; labels[y * W + x] = k; }
      }
    }
    return labels;
  }

  const megabytes = (n) => `${(n / 1e6).toFixed(n < 1e7 ? 1 : 0)} MB`;

  /* A file of this site as bytes; what has come is told on the way. */
  async function bytes(path, expected, came) {
    const answer = await fetch(here + path).catch(() => null);
    const said = answer ? `the server said ${answer.status}` : "no connection";
    if (!answer?.ok) throw new Error(`${path} did not come (${said}). Load the page again.`);
    const out = [], reader = answer.body.getReader();
    for (let part; !(part = await reader.read()).done; ) {
      out.push(part.value);
      came(part.value.length);
    }
    const whole = new Uint8Array(await new Blob(out).arrayBuffer());
    if (whole.length !== expected)
      throw new Error(`${path} came with ${whole.length} bytes in place of ${expected}. Load the page again.`);
    return whole;
  }

  const script = (path) =>
    new Promise((done, fail) => {
      const onerror = () => fail(new Error(`${path} did not come. Load the page again.`));
      const tag = Object.assign(document.createElement("script"), { src: here + path, onload: done, onerror });
      document.head.append(tag);
    });

  /* Why no network can run here, in words; "" where one can. */
  function obstacle() {
    if (location.protocol === "file:")
      return (
        "This page was opened from a file, and browsers do not let such a page load a network. Open it over http: " +
        "run “python3 -m http.server” in the folder of the site, then open http://localhost:8000."
      );
    if (typeof WebAssembly !== "object")
      return "The networks need WebAssembly. This browser lacks it, or it is switched off, as in a lockdown mode.";
    return "";
  }

  let runtime = null;
  const WASM = "ort-wasm-simd-threaded.wasm", sessions = new Map();
  async function started(came) {
    const size = window.segkitNetworks.runtime.files[WASM];
    const [binary] = await Promise.all([bytes(`ort/${WASM}`, size, came), script("ort/ort.wasm.min.js")]);
    ort.env.logLevel = "error";
    Object.assign(ort.env.wasm, { numThreads: 1, wasmPaths: `${here}ort/`, wasmBinary: binary.buffer });
  }
  const once = (made, forget) => { made.catch(forget); return made; }; // what failed may be tried again

  const missing = (key) =>
    (sessions.has(key) ? 0 : facts(key).bytes) + (runtime ? 0 : window.segkitNetworks.runtime.files[WASM]);
  const facts = (key) => window.segkitNetworks.networks.find((n) => n.key === key);

  async function session(key, progress) {
    const why = obstacle(), total = missing(key);
    if (why) throw new Error(why);
    let done = 0;
    const came = (n) => progress?.((done += n), total);
    const begun = (runtime ??= once(started(came), () => (runtime = null)));
    if (!sessions.has(key)) {
      const read = bytes(`networks/${key}.onnx`, facts(key).bytes, came);
      const options = { executionProviders: ["wasm"] };
      const create = ([, model]) =>
        ort.InferenceSession.create(model, options).catch((error) => {
          throw new Error(`The network did not start; it needs a browser of 2023 or later. (${error.message})`);
        });
      const made = Promise.all([begun, read]).then(create);
      sessions.set(key, once(made, () => sessions.delete(key)));
    }
    return sessions.get(key);
  }

  let turn = Promise.resolve(); // one network at a time
  /* {labels, seen: [h, w], ms} of a picture that `decode` gave; side as for `sized`. */
  async function segment(key, picture, side = null, progress = null) {
    const network = await session(key, progress), { width: W, height: H } = picture, K = facts(key).classes.length;
    const job = turn.then(async () => {
      const [h, w] = sized(H, W, side), x = resized(planes(picture), H, W, h, w), begun = performance.now();
      const found = await network.run({ picture: new ort.Tensor("float32", x, [1, 3, h, w]) }).catch((error) => {
        throw new Error(`The network did not finish; let it see fewer pixels or close pages. (${error.message})`);
      });
      const ms = performance.now() - begun, scores = found.logits.data;
      return { labels: labelsAt(scores, K, h, w, H, W), seen: [h, w], ms };
    });
    turn = job.catch(() => {});
    return job;
  }

  window.segkitTry = { decode, drawn, sized, segment, missing, obstacle, facts, megabytes };
})();
