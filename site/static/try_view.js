/* How the page "Try a network here" shows answers: labels over the picture, shares, and the class at a point. */
(() => {
  const make = (tag, props = {}, ...kids) => {
    const { role, label, ...own } = props, e = Object.assign(document.createElement(tag), own);
    if (role) e.setAttribute("role", role);
    if (label) e.setAttribute("aria-label", label);
    e.append(...kids);
    return e;
  };
  const percent = (n) => `${n === 0 ? "0" : n < 0.0005 ? "< 0.1" : (100 * n).toFixed(1)}\u00a0%`;
  const colour = (rgb) => `rgb(${rgb.join(" ")})`;

  /* A canvas with the picture and one with its labels over it; a cross where the reader points. */
  function stage(picture, answer) {
    const { width, height } = picture, kind = Math.max(width, height) < 400 ? "sk-try-coarse" : "";
    const [under, over] = [0, 1].map(() => make("canvas", { width, height, className: kind }));
    under.getContext("2d").putImageData(new ImageData(picture.rgba, width, height), 0, 0);
    over.classList.add("sk-try-labels");
    const image = new ImageData(width, height), cells = new Uint32Array(image.data.buffer);
    const table = answer.palette.map((rgb) => new Uint32Array(Uint8Array.of(...rgb, 255).buffer)[0]);
    for (let i = 0; i < cells.length; i++) cells[i] = table[answer.labels[i]];
    over.getContext("2d").putImageData(image, 0, 0);
    const cross = make("span", { className: "sk-try-cross", hidden: true });
    const text = `Picture with the labels of ${answer.name} over it; arrow keys move a cross that names the class`;
    const box = make("div", { className: "sk-try-stage", tabIndex: 0, role: "img", label: text }, under, over, cross);
    box.style.width = `min(100%, ${(55 * width) / height}vh)`;
    return Object.assign(box, { cross });
  }

  function caption(answer) {
    const lines = [make("strong", { textContent: answer.name })];
    if (answer.told) lines.push(`: ${answer.told}`);
    const small = make("div", { className: "sk-try-small" });
    const { facts } = answer;
    if (facts) {
      const { metrics: m, provenance: p } = facts;
      small.append(`On ${m.scenes} streets that it never saw: mean IoU ${percent(m.mean_iou)}.`);
      const link = () => make("a", { href: facts.page, textContent: `Built in chapter ${facts.chapter}` });
      if (facts.chapter) small.append(" ", link(), ".");
      const command = make("code", { textContent: p.command });
      const origin = make("details", {}, make("summary", { textContent: "Where it comes from" }));
      origin.append("Trained on ", p.date, " by ", command, `, at commit ${p.commit}.`);
      small.append(origin);
    }
    return make("figcaption", {}, make("p", {}, ...lines), small);
  }

  /* The figures of one or two answers {name, labels, classes, palette, told, facts} to one picture. */
  function figures(picture, answers, point) {
    const stages = answers.map((answer) => stage(picture, answer));
    const at = [picture.width >> 1, picture.height >> 1];
    const tell = (aloud) => {
      const found = answers.map((a) => {
        const word = a.classes[a.labels[at[1] * picture.width + at[0]]];
        return answers.length > 1 ? `${a.name}: ${word}` : word;
      });
      point.setAttribute("aria-live", aloud ? "polite" : "off");
      point.textContent = `Column ${at[0]}, row ${at[1]}: ${found.join(" · ")}`;
      for (const s of stages) {
        s.cross.hidden = false;
        s.cross.style.left = `${(100 * (at[0] + 0.5)) / picture.width}%`;
        s.cross.style.top = `${(100 * (at[1] + 0.5)) / picture.height}%`;
      }
    };
    const go = (x, y, aloud) => {
      at[0] = Math.min(picture.width - 1, Math.max(0, Math.floor(x)));
      at[1] = Math.min(picture.height - 1, Math.max(0, Math.floor(y)));
      tell(aloud);
    };
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    for (const s of stages) {
      const follow = (e) => {
        const box = s.getBoundingClientRect();
        go(((e.clientX - box.left) / box.width) * picture.width, ((e.clientY - box.top) / box.height) * picture.height);
      };
      s.addEventListener("pointermove", follow);
      s.addEventListener("pointerdown", follow);
      s.addEventListener("keydown", (e) => {
        if (!moves[e.key] || e.ctrlKey || e.altKey || e.metaKey) return;
        e.preventDefault();
        const step = Math.max(1, Math.round(Math.max(picture.width, picture.height) / (e.shiftKey ? 12 : 64)));
        go(at[0] + step * moves[e.key][0], at[1] + step * moves[e.key][1], true);
      });
    }
    point.textContent = "Point at the picture, or use the arrow keys on it, to read a class here.";
    return stages.map((s, i) => make("figure", {}, s, caption(answers[i])));
  }

  const counted = ({ labels, classes }) => {
    const counts = new Array(classes.length).fill(0);
    for (const label of labels) counts[label]++;
    return counts.map((n) => n / labels.length);
  };

  /* The rows of the legend: every class that an answer holds, the largest first. */
  function legend(answers) {
    const shares = answers.map(counted), { classes, palette } = answers[0];
    const order = classes.map((_, k) => k).filter((k) => shares.some((s) => s[k] > 0));
    order.sort((a, b) => shares[0][b] - shares[0][a]);
    const name = (a) => (answers.length > 1 ? a.name : "Share of the pixels");
    const column = (textContent) => make("th", { scope: "col", textContent });
    const head = make("tr", {}, column("Class"), ...answers.map((a) => column(name(a))));
    const rows = order.map((k) => {
      const swatch = make("span", { className: "sk-try-swatch" });
      swatch.style.background = colour(palette[k]);
      const cells = shares.map((s) => {
        const cell = make("td", { textContent: percent(s[k]) });
        cell.style.setProperty("--share", `${100 * s[k]}%`);
        return cell;
      });
      return make("tr", {}, make("th", { scope: "row" }, swatch, classes[k]), ...cells);
    });
    return [make("caption", { textContent: "Classes and how much of the picture each covers" }),
      make("thead", {}, head), make("tbody", {}, ...rows)];
  }

  window.segkitTryView = { make, percent, figures, legend, counted };
})();
