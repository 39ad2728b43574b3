"""The page that shows slides: one file, no network; arrow keys, notes with n, print for a hand-out."""

from __future__ import annotations

from html import escape

from segkit.teaching.slide_text import html_of

_STYLE = """
*{box-sizing:border-box}
html,body{margin:0;height:100%;background:#333;font-family:"Segoe UI",Roboto,Helvetica,Arial,sans-serif}
body{overflow:hidden}
#stage{position:absolute;width:1280px;height:720px;transform-origin:0 0;background:#fff;color:#1a1a1a}
section{position:absolute;inset:0;padding:40px 60px 52px;display:none;flex-direction:column;gap:16px;
  font-size:30px;line-height:1.35}
section.shown{display:flex}
h1{font-size:58px;line-height:1.1;margin:auto 0 0}
h2{font-size:38px;line-height:1.15;margin:0}
.over{font-size:20px;color:#595959;margin:0 0 -10px}
.label{font-size:20px;font-weight:700;letter-spacing:.08em;text-transform:uppercase;color:#005a8c;margin:0 0 -10px}
.claim .label{color:#8a3b00}
.body{flex:1 1 auto;min-height:0;display:flex;flex-direction:column;gap:.5em;justify-content:safe center;
  overflow:hidden}
.body>*{margin:0;flex:0 0 auto}
.body p,.body ul,.body ol{margin:0}
.body li{margin:.25em 0}
.title .body{justify-content:flex-start;font-size:32px;margin-bottom:auto}
.body .picture{flex:1 1 0;min-height:0;position:relative}
.picture img{position:absolute;inset:0;width:100%;height:100%;object-fit:contain}
.caption{font-size:24px;line-height:1.3;color:#333;padding-bottom:.25em}  /* room for a tall formula */
.verdict{border-left:6px solid #009e73;padding-left:.6em}
pre{background:#f3f5f7;border-left:6px solid #0072b2;padding:.6em .8em;white-space:pre;overflow:hidden;line-height:1.3;
  font-family:"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:min(.74em,calc(1060px/(var(--columns)*.62)))}
pre.output{border-color:#777}
code{font-family:"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:.85em}
pre code{font-size:1em}
table{border-collapse:collapse;font-size:.8em;align-self:center}
th,td{border-bottom:1px solid #bbb;padding:.2em .7em;text-align:left}
math{font-size:1.1em}
math[display=block]{font-size:1.5em}
#place{position:absolute;right:24px;bottom:14px;font-size:18px;color:#595959}
#notes{position:fixed;left:0;right:0;bottom:0;height:32vh;overflow:auto;background:#fffbe8;color:#1a1a1a;
  padding:12px 24px;font-size:17px;line-height:1.4;display:none;border-top:3px solid #b58900}
body.noted #notes{display:block}
aside{display:none}
@media print{
  @page{size:1280px 720px;margin:0}
  body,html{overflow:visible;height:auto;background:#fff}
  #stage{position:static;transform:none!important;height:auto}
  #notes,#place{display:none!important}
  section{display:flex;position:relative;height:720px;break-after:page}}
"""
_SCRIPT = """
const slides = [...document.querySelectorAll("section")], stage = document.getElementById("stage");
const notes = document.getElementById("notes"), place = document.getElementById("place");
const keys = {ArrowRight: 1, ArrowDown: 1, PageDown: 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1, Backspace: -1};
let at = 0;
function fits(slide) {
  const body = slide.querySelector(".body"), inside = e => e.scrollWidth <= e.clientWidth + 1;
  return body.scrollHeight <= body.clientHeight + 1 && inside(body) && slide.scrollHeight <= 721 &&
    [...body.children].every(e => e.tagName == "TABLE" ? e.offsetWidth <= 1160 : inside(e));
}
function fit(slide) {  // smaller letters until all of it fits
  const body = slide.querySelector(".body");
  if (body.style.fontSize) return;
  for (let size = parseFloat(getComputedStyle(body).fontSize); size >= 15; size -= 1) {
    body.style.fontSize = size + "px";
    if (fits(slide)) return;
  }
}
function show(i) {
  at = Math.max(0, Math.min(slides.length - 1, i));
  slides.forEach((slide, k) => slide.classList.toggle("shown", k == at));
  fit(slides[at]);
  place.textContent = (at + 1) + " / " + slides.length;
  notes.innerHTML = slides[at].querySelector("aside").innerHTML;
  history.replaceState(null, "", "#" + (at + 1));
}
function resize() {
  const height = innerHeight * (document.body.classList.contains("noted") ? 0.68 : 1);
  const scale = Math.min(innerWidth / 1280, height / 720);
  stage.style.transform = "scale(" + scale + ")";
  stage.style.left = (innerWidth - 1280 * scale) / 2 + "px";
  stage.style.top = (height - 720 * scale) / 2 + "px";
}
const there = () => show((parseInt(location.hash.slice(1)) || 1) - 1);
addEventListener("keydown", e => {
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  const step = e.key == " " ? (e.shiftKey ? -1 : 1) : keys[e.key];
  if (step) show(at + step);
  else if (e.key == "Home") show(0);
  else if (e.key == "End") show(slides.length - 1);
  else if (e.key == "n") { document.body.classList.toggle("noted"); resize(); }
  else if (e.key == "f") document.fullscreenElement ? document.exitFullscreen() : document.body.requestFullscreen();
  else return;
  e.preventDefault();
});
stage.addEventListener("click", e => {
  if (!getSelection().toString()) show(at + (e.clientX < innerWidth / 3 ? -1 : 1));
});
addEventListener("hashchange", there);
addEventListener("resize", resize);
addEventListener("beforeprint", () => slides.forEach(slide => { slide.classList.add("shown"); fit(slide); }));
addEventListener("afterprint", () => show(at));
resize();
there();
"""


def slide_html(kind: str, label: str, over: str, heading: str, body: str, notes: list[str], place: str) -> str:
    """One slide.

    Args:
        kind: its class: "title", "text", "picture", "claim", "predict" or "code".
        label, over, heading: what stands above the body; "" for nothing. Markdown.
        body: HTML.
        notes: Markdown, for the speaker.
        place: for who listens, such as "3 of 40".
    """
    size = "1" if kind == "title" else "2"
    head = f'<p class="over">{_inline(over)}</p>' if over else ""
    head += f'<p class="label">{escape(label)}</p>' if label else ""
    head += f"<h{size}>{_inline(heading)}</h{size}>" if heading else ""
    told = "".join(html_of(one) for one in notes) or "<p>(no notes)</p>"
    return (
        f'<section class="{kind}" role="group" aria-roledescription="slide" aria-label="{place}">{head}'
        f'<div class="body">{body}</div><aside>{told}</aside></section>'
    )


def _inline(text: str) -> str:
    return html_of(text).strip().removeprefix("<p>").removesuffix("</p>")


def page_html(title: str, slides: list[str]) -> str:
    """The whole file."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n<body>'
        f'<main id="stage">{"".join(slides)}<div id="place" aria-live="polite"></div></main>'
        f'<div id="notes" aria-label="Speaker notes"></div><script>{_SCRIPT}</script></body></html>\n'
    )
