/* The page "Try a network here": a street to begin with, then any picture that the reader brings. Nothing is sent: the
   picture goes from its file to a canvas to the network, all in this page. try_network.js runs, try_view.js draws. */
(() => {
  const SIDES = [64, 96, 144, 192, 288, 432]; // pixels, offered for the shorter side
  const USUAL = 144; // for a picture that the reader brings: on real streets the networks see most at 96 to 144
  const net = window.segkitTry, { make, percent, figures, legend, counted } = window.segkitTryView;

  const fill = (select, choices) => {
    select.replaceChildren(...choices.map(([value, textContent]) => make("option", { value, textContent })));
    return select;
  };

  class Page {
    constructor(root, known) {
      Object.assign(this, { root, known, asked: 0 });
      this.build();
      this.listen();
      this.ready = this.open(known.streets[0], false).catch((error) => this.say(error.message, true));
    }

    build() {
      const choices = this.known.networks.map((n) => [n.key, `${n.name} (mean IoU ${percent(n.metrics.mean_iou)})`]);
      this.network = this.menu("network", choices);
      this.beside = this.menu("beside", [["", "nothing"], ["truth", "the true labels"], ...choices]);
      this.side = this.menu("side", []);
      this.network.value = this.known.first;
      this.opacity = make("input", { id: "sk-try-opacity", type: "range", min: 0, max: 100, value: 60 });
      this.file = this.chooser("file", "Choose a picture …");
      this.camera = this.chooser("camera", "Take a photograph …");
      this.camera.setAttribute("capture", "environment");
      this.camera.parentElement.hidden = !navigator.maxTouchPoints;
      this.streets = this.known.streets.map((s) => {
        const picture = make("img", { src: s.picture, alt: "", width: 64, height: 48 });
        return make("button", { type: "button" }, picture, s.title);
      });
      this.run = make("button", { type: "button", className: "sk-try-button" });
      this.bar = make("progress", { label: "download" });
      this.bytes = make("span");
      this.loading = make("div", { className: "sk-try-loading", hidden: true }, this.bar, this.bytes);
      this.status = make("p", { className: "sk-try-status", role: "status" });
      this.views = make("div", { className: "sk-try-views" });
      this.point = make("output", { className: "sk-try-point" });
      this.legend = make("table", { className: "sk-try-legend" });
      this.root.replaceChildren(...this.layout());
    }

    layout() {
      const hint = make("span", { className: "sk-try-small", textContent: "or drop one on this page, or paste one." });
      const field = (text, input) =>
        make("div", { className: "sk-try-field" }, make("label", { htmlFor: input.id, textContent: text }), input);
      return [
        make("div", { className: "sk-try-bring" }, this.file.parentElement, this.camera.parentElement, hint),
        make("div", { className: "sk-try-streets", role: "group", label: "streets of the course" }, ...this.streets),
        this.status, this.run, this.loading, this.views, this.point,
        make("div", { className: "sk-try-fields" }, field("Network", this.network), field("Beside it", this.beside),
          field("What the network sees", this.side), field("Labels over the picture", this.opacity)),
        make("div", { className: "sk-try-scroll" }, this.legend),
      ];
    }

    menu(name, choices) {
      return fill(make("select", { id: `sk-try-${name}` }), choices);
    }

    chooser(name, text) { // the input lies, unseen, over its label: it keeps the keyboard and the screen reader
      const input = make("input", { id: `sk-try-${name}`, type: "file", accept: "image/*" });
      const label = make("label", { htmlFor: input.id, textContent: text });
      make("span", { className: "sk-try-button sk-try-chooser" }, input, label);
      return input;
    }

    listen() {
      this.run.addEventListener("click", () => this.work());
      this.streets.forEach((b, i) => b.addEventListener("click", () => this.open(this.known.streets[i], true)));
      for (const menu of [this.network, this.beside, this.side]) menu.addEventListener("change", () => this.work());
      this.opacity.addEventListener("input", () => this.fade());
      for (const input of [this.file, this.camera])
        input.addEventListener("change", () => {
          if (input.files[0]) this.take(input.files[0]);
          input.value = ""; // the same file again is a change, too
        });
      const over = (on) => this.root.classList.toggle("sk-try-over", on);
      document.addEventListener("paste", (e) => e.clipboardData?.files[0] && this.take(e.clipboardData.files[0]));
      document.addEventListener("dragover", (e) => { e.preventDefault(); over(true); });
      document.addEventListener("dragleave", (e) => { if (!e.relatedTarget) over(false); });
      document.addEventListener("drop", (e) => {
        e.preventDefault();
        over(false);
        const file = e.dataTransfer.files[0];
        if (file) this.take(file);
        else this.say("That was no file: save the picture first. This page fetches nothing from other sites.", true);
      });
    }

    /* One of the course's streets: labelled by a network at once, or as it was when the page was made. */
    async open(street, live) {
      const image = make("img", { src: street.picture });
      await image.decode();
      this.hold(net.drawn(image, image.naturalWidth, image.naturalHeight), street);
      if (live && !net.obstacle()) return this.work();
      this.network.value = this.known.first;
      this.beside.value = "";
      const { first } = this.known, { width, height } = this.picture;
      this.show([this.answer(first, { labels: unpacked(street.labels), seen: [height, width], ms: null })]);
      this.say(net.obstacle(), true);
      this.run.textContent = `Run ${net.facts(first).name} here (loads ${net.megabytes(net.missing(first))}, once)`;
      this.run.hidden = Boolean(net.obstacle());
    }

    async take(file) {
      const asked = ++this.asked;
      try {
        this.say("Reading the picture …");
        const picture = await net.decode(file);
        if (asked === this.asked) this.hold(picture, null);
      } catch (error) {
        if (asked === this.asked) this.say(error.message, true);
        return;
      }
      if (asked === this.asked) await this.work();
    }

    /* Take a picture; one that the networks cannot see leaves the last one where it is. */
    hold(picture, street) {
      const sizes = this.sizes(picture), usual = sizes.find(([v]) => v === String(USUAL) && !street) ?? sizes[0];
      Object.assign(this, { picture, street });
      fill(this.side, sizes).value = usual[0];
      if (!street && this.beside.value === "truth") this.beside.value = "";
      this.beside.querySelector("[value=truth]").disabled = !street;
      this.streets.forEach((b, i) => b.setAttribute("aria-pressed", String(this.known.streets[i] === street)));
    }

    /* [value, words] of each size at which the networks can see a picture. */
    sizes({ width: W, height: H }) {
      const { least, most, trained } = this.known, came = `The picture has ${W}×${H} pixels`;
      if (Math.min(W, H) < least)
        throw new Error(`${came}, and these networks need ${least} or more on the shorter side. Take a larger one.`);
      const sides = [null, ...SIDES.filter((side) => side < Math.min(W, H))];
      const fit = sides.map((side) => [side, ...net.sized(H, W, side)]).filter(([, h, w]) => h * w <= most);
      if (!fit.length) throw new Error(`${came}: it is too long and thin for these networks. Cut a part out of it.`);
      return fit.map(([side, h, w]) => {
        const words = side === null ? ", as it is" : side === trained ? ", things as large as in training" : "";
        return [String(side ?? ""), `${w}×${h} pixels${words}`];
      });
    }

    /* Run what is chosen on what is there. */
    async work() {
      const asked = ++this.asked, keys = [...new Set([this.network.value, this.beside.value])].filter(Boolean);
      const { picture, street } = this, side = this.side.value ? Number(this.side.value) : null, answers = [];
      this.root.setAttribute("aria-busy", "true");
      this.run.hidden = true;
      try {
        for (const key of keys) {
          if (key === "truth") answers.push(this.answer(key, { labels: unpacked(street.truth) }));
          else {
            this.say(`${net.facts(key).name} is at work …`);
            const came = (bytes, all) => asked === this.asked && this.came(bytes, all);
            answers.push(this.answer(key, await net.segment(key, picture, side, came)));
          }
          if (asked !== this.asked) return;
        }
        this.show(answers);
        this.say([...answers.filter((a) => a.facts).map(summary), ...picture.notes].join(" "));
      } catch (error) {
        if (asked === this.asked) this.say(error.message, true);
      } finally {
        if (asked === this.asked) {
          this.root.removeAttribute("aria-busy");
          this.loading.hidden = true;
        }
      }
    }

    /* What is shown of an answer: who gave it, and how. */
    answer(key, { labels, seen, ms }) {
      const facts = net.facts(key === "truth" ? this.known.first : key), { classes, palette } = facts;
      if (key === "truth") return { name: "The true labels", labels, classes, palette, told: "drawn with the street" };
      const told = [ms === null ? "worked out when this page was made" : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`];
      told.push(`saw ${seen[1]}×${seen[0]} pixels`);
      if (this.street) {
        const truth = unpacked(this.street.truth), right = labels.reduce((n, label, i) => n + (label === truth[i]), 0);
        told.push(`${percent(right / truth.length)} of them right`);
      }
      return { name: facts.name, key, labels, classes, palette, facts, told: told.join(", ") };
    }

    show(answers) {
      this.shown = { picture: this.picture, answers };
      this.views.replaceChildren(...figures(this.picture, answers, this.point));
      this.legend.replaceChildren(...legend(answers));
      this.fade();
    }

    fade() {
      this.views.style.setProperty("--labels", this.opacity.value / 100);
      this.opacity.setAttribute("aria-valuetext", `${this.opacity.value} %`);
    }

    came(bytes, all) {
      this.loading.hidden = bytes >= all;
      Object.assign(this.bar, { max: all, value: bytes });
      this.bytes.textContent = `${net.megabytes(bytes)} of ${net.megabytes(all)}`;
    }

    say(text, wrong = false) {
      this.status.textContent = text;
      this.status.classList.toggle("sk-try-wrong", wrong && text !== "");
    }
  }

  const unpacked = (runs) => Uint8Array.from(runs.flatMap(([label, n]) => Array(n).fill(label)));

  function summary(answer) {
    const shares = counted(answer), most = shares.map((_, k) => k).sort((a, b) => shares[b] - shares[a]).slice(0, 3);
    const told = most.filter((k) => shares[k] > 0).map((k) => `${answer.classes[k]} ${percent(shares[k])}`);
    return `${answer.name} sees ${told.join(", ")}.`;
  }

  addEventListener("DOMContentLoaded", () => {
    const root = document.getElementById("sk-try");
    if (root && window.segkitNetworks) net.page = new Page(root, window.segkitNetworks);
  });
})();
