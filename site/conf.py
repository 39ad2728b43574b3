"""Settings of Sphinx for the web edition; build.py says where sources and static files lie."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish

project = author = html_title = "segkit"
copyright = "the segkit authors, MIT licence"
extensions = ["myst_nb", "sphinx_copybutton", "sphinx.ext.githubpages"]
exclude_patterns = ["_static", "_extra"]
smartquotes = False

myst_enable_extensions = ["dollarmath", "amsmath", "attrs_inline", "attrs_block"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # the outputs that the tests have compared
nb_ipywidgets_js: dict[str, Any] = {}  # else other hosts are asked as soon as a notebook holds a widget
nb_merge_streams = True
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
copybutton_exclude = ".linenos, .gp, .go"
copybutton_selector = (
    "div.cell_input div.highlight pre, div.highlight-bash pre, div.highlight-python pre, div.highlight-default pre"
)

mathjax_path = "mathjax/tex-chtml.js"  # beside the pages; Sphinx would take it from another host
mathjax4_config = {
    "output": {"displayOverflow": "linebreak"},  # long formulas on phones
    "loader": {"paths": {"fonts": "[mathjax]"}},  # else rare letters (\mathbb) come from another host
    "options": {
        "enableMenu": False,
        "menuOptions": {"settings": {"enrich": False, "speech": False, "braille": False, "assistiveMml": True}},
    },
}

html_theme = "furo"
html_theme_options = {"top_of_page_buttons": [], "navigation_with_keys": False}  # arrow keys belong to sliders
templates_path = ["templates"]
html_favicon = "static/icon.svg"
STATIC = Path(__file__).resolve().parent / "static"
html_css_files = [name for name in ("site.css", "live.css") if (STATIC / name).exists()]
html_js_files = [(name, {"defer": "defer"}) for name in ("site.js", "live.js") if (STATIC / name).exists()]
html_copy_source = html_show_sourcelink = False
html_use_index = html_domain_indices = False
html_permalinks_icon = "#"
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

HAN = "\u3400-\u9fff"
SPLIT = r"""
var splitQuery = (query) => query
  .split(/[^\p{Letter}\p{Number}_]+/u)
  .flatMap((word) => word.match(/[HAN]+|[^HAN]+/g) || [])
  .flatMap((part) => (/[HAN]/.test(part) && part.length > 1 ? [...part].slice(1).map((c, i) => part[i] + c) : [part]));
""".replace("HAN", HAN)


class EnglishAndChinese(SearchEnglish):
    """Finds Chinese words inside sentences, which have no spaces: by single characters and pairs of neighbours."""

    js_splitter_code = SPLIT

    def split(self, input: str) -> list[str]:
        parts = [p for word in super().split(input) for p in re.findall(f"[{HAN}]+|[^{HAN}]+", word)]
        return [word for p in parts for word in (pieces(p) if re.match(f"[{HAN}]", p) else [p])]


def pieces(run: str) -> list[str]:
    return [*run, *(a + b for a, b in itertools.pairwise(run))]


def speak(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Chinese pages say so, for screen readers and for line breaks."""
    if page.startswith("zh/") or page.endswith(".zh"):
        context["language"] = "zh-CN"


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_search_language(EnglishAndChinese)
    app.connect("html-page-context", speak)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
