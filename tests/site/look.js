/* What is wrong with the page that shows now: whole or not, and words whose colour is too close to what lies behind them. */
globalThis.segkitLook = (() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const LAYOUT = /\$\$|<Figure|\]\(/; // marks that should have been read

  function whole() {
    const faults = [], root = document.documentElement;
    const say = (found, words, sample) => { if (found.length) faults.push(`${found.length} ${words}, such as ${sample(found[0])}`); };
    const text = (e) => e.textContent.trim().slice(0, 80), source = (e) => e.src;
    if (root.scrollWidth > root.clientWidth) faults.push(`the page is ${root.scrollWidth} pixels wide`);
    if (all("h1").length !== 1) faults.push(`${all("h1").length} headings h1`);
    say(all(".math").filter((e) => !e.querySelector("mjx-container")), "formulas are not set", text);
    say(all("mjx-merror, [data-mjx-error]"), "formulas with errors", text);
    const said = (e) => e.getAttribute("alt") === "" && e.closest("button")?.textContent.trim();  // beside its words
    const mute = (e) => !said(e) && (!e.alt.trim() || /\.(png|webp)$/.test(e.alt));
    say(all("img").filter(mute), "pictures without words", source);
    say(all("img").filter((e) => e.complete && !e.naturalWidth), "pictures do not load", source);
    say(all("article :is(p, li, td)").filter((e) => LAYOUT.test(e.textContent)), "unread marks", text);
    return faults;
  }

  // WCAG 1.4.3
  const rgba = (colour) => { const n = colour.match(/[\d.]+/g).map(Number); return n.length > 3 ? n : [...n, 1]; };
  const over = (top, below) => [0, 1, 2].map((i) => top[3] * top[i] + (1 - top[3]) * below[i]).concat(1);
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, share, i) => sum + share * linear(c[i] / 255), 0);

  function behind(element) {
    if (!element) return [255, 255, 255, 1];
    const colour = rgba(getComputedStyle(element).backgroundColor);
    return colour[3] === 1 ? colour : over(colour, behind(element.parentElement));
  }

  function contrast(element, style) {
    const back = behind(element), [a, b] = [light(over(rgba(style.color), back)), light(back)];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }

  function pale() {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), holders = new Set(), found = new Map();
    while (walker.nextNode()) if (walker.currentNode.data.trim()) holders.add(walker.currentNode.parentElement);
    for (const e of holders) {
      if (e.closest("mjx-container, script, style, noscript")) continue;
      if (!e.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
      const style = getComputedStyle(e), size = parseFloat(style.fontSize), ratio = contrast(e, style);
      const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
      if (ratio < (large ? 3 : 4.5)) found.set(`pale: ${style.color} at ${ratio.toFixed(2)}`, e.outerHTML.slice(0, 120));
    }
    return [...found].map((pair) => pair.join(", such as "));
  }

  return () => [...whole(), ...pale()];
})();
