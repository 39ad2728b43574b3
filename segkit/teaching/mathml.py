"""TeX as the chapters write it, made MathML, which browsers show without any program or network."""

from __future__ import annotations

import re
from html import escape

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:[.,]\d+)*|\s+|.", re.DOTALL)
_LETTERS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ϵ", "varepsilon": "ε", "zeta": "ζ", "eta": "η",
    "theta": "θ", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ",
    "tau": "τ", "phi": "φ", "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ",
    "Theta": "Θ", "Lambda": "Λ", "Sigma": "Σ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω", "infty": "∞", "ell": "ℓ",
    "partial": "∂", "nabla": "∇", "top": "⊤", "emptyset": "∅",
}  # fmt: skip
_SIGNS = {
    "cdot": "·", "times": "×", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠", "approx": "≈",
    "propto": "∝", "in": "∈", "notin": "∉", "subset": "⊂", "cup": "∪", "cap": "∩", "to": "→", "rightarrow": "→",
    "mapsto": "↦", "Rightarrow": "⇒", "pm": "±", "dots": "…", "ldots": "…", "cdots": "⋯", "langle": "⟨", "rangle": "⟩",
    "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "lVert": "‖", "rVert": "‖", "lvert": "|", "rvert": "|",
    "|": "‖", "{": "{", "}": "}", "%": "%", "_": "_", "#": "#", "mid": "|", "sim": "∼", "equiv": "≡", "odot": "⊙",
    "oplus": "⊕", "otimes": "⊗", "circ": "∘", "ast": "∗", "star": "⋆", "forall": "∀", "exists": "∃", "colon": ":",
    "ll": "≪", "gg": "≫", "prime": "′",
}  # fmt: skip
_LARGE = {"sum": "∑", "prod": "∏", "int": "∫", "bigcup": "⋃", "bigcap": "⋂"}
_WORDS = {"max", "min", "log", "exp", "ln", "arg", "argmax", "argmin", "lim", "sin", "cos", "tanh", "det", "sup", "inf"}
_SPACES = {",": 0.17, ":": 0.22, ";": 0.28, "!": -0.17, " ": 0.33, "quad": 1.0, "qquad": 2.0}
_STYLES = {"mathrm": "normal", "mathbf": "bold", "mathbb": "double-struck", "mathcal": "script", "text": "normal",
           "operatorname": "normal", "mathit": "italic", "textbf": "bold"}  # fmt: skip
_DOUBLE = dict(zip("RNZQCE", "ℝℕℤℚℂ𝔼", strict=True))
_OVER = {"hat": "^", "bar": "¯", "tilde": "~", "vec": "→", "overline": "¯", "widehat": "^"}
_NOTHING = {"textstyle", "displaystyle", "limits", "nonumber", "big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl",
            "Bigr"}  # fmt: skip


class UnknownTeX(ValueError):
    """A command that is not known here."""


def mathml(tex: str, display: bool = False) -> str:
    """A formula as a `<math>` element.

    Raises:
        UnknownTeX: it uses a command that is not in the tables of this file, or a brace is not closed.
    """
    parser = _Parser(tex, display)
    inner = parser.row(())
    if parser.tokens:
        raise UnknownTeX(f"{tex!r} closes a group that it did not open")
    return f'<math display="{"block" if display else "inline"}">{inner}</math>'


class _Parser:
    """Reads tokens from the left; each method gives MathML and leaves what comes after."""

    def __init__(self, tex: str, display: bool) -> None:
        self.tex, self.display = tex, display
        self.tokens = [one for one in _TOKEN.findall(tex) if not one.isspace()]
        if r"\text" in tex:  # spaces count in there
            self.tokens = _TOKEN.findall(tex)

    def row(self, ends: tuple[str, ...]) -> str:
        """Up to one of the ends, which stays."""
        parts: list[str] = []
        while self.tokens and self.tokens[0] not in ends and self.tokens[0] != "}":
            if self.tokens[0].isspace():
                self.tokens.pop(0)
                continue
            parts.append(self.scripted())
        return f"<mrow>{''.join(parts)}</mrow>"

    def scripted(self) -> str:
        """One thing with what stands below and above it."""
        first = self.tokens[0] if self.tokens else ""
        base, scripts = self.one(), {"_": "", "^": ""}
        while self.tokens and (self.tokens[0] in scripts or self.tokens[0] == "'"):
            sign = self.tokens.pop(0)
            scripts["^" if sign == "'" else sign] += "<mo>′</mo>" if sign == "'" else self.one()
        below, above = scripts["_"], scripts["^"]
        name = first.removeprefix("\\")
        apart = name == "underbrace" or (self.display and (name in _LARGE or name in ("max", "min", "argmax", "lim")))
        if below and above:
            tag = "munderover" if apart else "msubsup"
            return f"<{tag}>{base}{below}<mrow>{above}</mrow></{tag}>"
        if below:
            tag = "munder" if apart else "msub"
            return f"<{tag}>{base}{below}</{tag}>"
        tag = "mover" if apart else "msup"
        return f"<{tag}>{base}<mrow>{above}</mrow></{tag}>" if above else base

    def one(self) -> str:
        """A letter, a number, a group or a command with its arguments."""
        while self.tokens and self.tokens[0].isspace():
            self.tokens.pop(0)
        if not self.tokens:
            raise UnknownTeX(f"{self.tex!r} ends where something should follow")
        token = self.tokens.pop(0)
        if token == "{":
            inner = self.row(())
            if not self.tokens:
                raise UnknownTeX(f"{self.tex!r} opens a group that it does not close")
            self.tokens.pop(0)
            return inner
        if token.startswith("\\"):
            return self.command(token[1:])
        if token[0].isdigit():
            return f"<mn>{token}</mn>"
        return f"<mi>{escape(token)}</mi>" if token.isalpha() else _sign({"-": "−", "*": "∗"}.get(token, token))

    def command(self, name: str) -> str:
        if name in _LETTERS:
            return f"<mi>{_LETTERS[name]}</mi>"
        if name in _SIGNS:
            return _sign(_SIGNS[name])
        if name in _LARGE:
            return f"<mo>{_LARGE[name]}</mo>"
        if name in _WORDS or name == "bmod":
            return "<mo>mod</mo>" if name == "bmod" else f"<mi>{name}</mi><mo>&#x2061;</mo>"
        if name in _SPACES:
            return f'<mspace width="{_SPACES[name]}em"/>'
        if name in _NOTHING:
            return self.one() if self.tokens else "<mrow/>"
        if name in _STYLES:
            return self.styled(name)
        return self.built(name)

    def built(self, name: str) -> str:
        """What takes arguments."""
        if name in ("frac", "tfrac", "dfrac"):
            return f"<mfrac>{self.one()}{self.one()}</mfrac>"
        if name == "sqrt":
            return f"<msqrt>{self.one()}</msqrt>"
        if name in _OVER:
            return f'<mover accent="true">{self.one()}<mo>{_OVER[name]}</mo></mover>'
        if name == "underbrace":
            return f"<munder>{self.one()}<mo>⏟</mo></munder>"
        if name == "left":
            left, inner = self.delimiter(), self.row((r"\right",))
            if not self.tokens:
                raise UnknownTeX(rf"{self.tex!r} has \left without \right")
            self.tokens.pop(0)
            return f"<mrow>{left}{inner}{self.delimiter()}</mrow>"
        if name == "begin":
            return self.table()
        raise UnknownTeX(rf"\{name} in {self.tex!r} is not known; add it to the tables in segkit/teaching/mathml.py")

    def styled(self, name: str) -> str:
        """Letters in a style; their spaces are kept."""
        while self.tokens and self.tokens[0].isspace():
            self.tokens.pop(0)
        if self.tokens.pop(0) != "{":
            raise UnknownTeX(rf"{self.tex!r}: \{name} wants braces")
        text = ""
        while self.tokens and self.tokens[0] != "}":
            text += self.tokens.pop(0)
        del self.tokens[:1]
        text = re.sub(r"\\([ ,;_%&])", lambda found: " " if found[1] in " ,;" else found[1], text)
        if name == "mathbb":
            return f"<mi>{''.join(_DOUBLE.get(one, one) for one in text)}</mi>"
        bold = ' style="font-weight:bold"' if _STYLES[name] == "bold" else ""
        return f"<mtext{bold}>{escape(text).replace(' ', '&#xa0;')}</mtext>"

    def delimiter(self) -> str:
        token = self.tokens.pop(0) if self.tokens else "."
        sign = "" if token == "." else _SIGNS.get(token.removeprefix("\\"), token)
        return f'<mo stretchy="true">{escape(sign)}</mo>'

    def table(self) -> str:
        """An environment: cells between &, rows between two backslashes."""
        name = self.braced()
        rows, ends = [], ("&", r"\\", r"\end")
        cells: list[str] = []
        while True:
            cells.append(self.row(ends))
            token = self.tokens.pop(0) if self.tokens else r"\end"
            if token != "&":
                rows.append(cells)
                cells = []
            if token == r"\end":
                break
        self.braced()
        inner = "".join(f"<mtr>{''.join(f'<mtd>{cell}</mtd>' for cell in row)}</mtr>" for row in rows)
        left, right = {"cases": ("{", ""), "pmatrix": ("(", ")"), "bmatrix": ("[", "]")}.get(name, ("", ""))
        fences = [f'<mo stretchy="true">{one}</mo>' if one else "" for one in (left, right)]
        return f"<mrow>{fences[0]}<mtable>{inner}</mtable>{fences[1]}</mrow>"

    def braced(self) -> str:
        """The word in braces that follows."""
        text = ""
        while self.tokens and (token := self.tokens.pop(0)) != "}":
            text += token
        return text.strip("{ ")


def _sign(sign: str) -> str:
    return f'<mo stretchy="false">{escape(sign)}</mo>'
