"""What a check hands back: diagnoses, a result, and the words a learner reads."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field

NOT_YET = "not yet done"
REJECTED = "rejected"
PARTLY = "partly"
FULL = "full marks"


@dataclass(frozen=True)
class Diagnosis:
    """One thing that is wrong, with a code that stays the same from release to release.

    Args:
        code: short and stable, for example "kernel-flipped".
        message: what went wrong, and a hint at how to fix it.
        example: the smallest failing call, what it should give and what it gave; may be empty.
    """

    code: str
    message: str
    example: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" + (f"\n{self.example}" if self.example else "")


@dataclass
class Result:
    """The outcome of checking one exercise.

    Args:
        name: the exercise.
        score: 0–1.
        status: "not yet done", "rejected", "partly" or "full marks".
        diagnoses: what is wrong, the most telling first; empty for full marks.
        groups: for each aspect (stride, padding, void, …) whether all of its cases passed.
        remarks: things worth knowing that cost no marks.
        printed: the beginning of what the function printed.
        seconds: time spent in the function.
    """

    name: str
    score: float = 0.0
    status: str = NOT_YET
    diagnoses: list[Diagnosis] = field(default_factory=list)
    groups: dict[str, bool] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    printed: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """True for full marks only."""
        return self.status == FULL

    def points(self, of: float) -> float:
        """Marks out of `of`, rounded to halves of a hundredth, as the gradebook takes them."""
        return round(self.score * of, 2)

    def text(self) -> str:
        """The verdict as a learner reads it."""
        head = {
            NOT_YET: "not yet done",
            REJECTED: "not right yet",
            PARTLY: f"partly right, {self.score:.0%} of the marks",
            FULL: "right, full marks",
        }[self.status]
        lines = [f"{self.name}: {head}"]
        if self.groups and self.status in (PARTLY, REJECTED):
            marked = "  ".join(f"{'✓' if good else '✗'}\xa0{group}" for group, good in self.groups.items())
            lines.append(textwrap.indent("\n".join(textwrap.wrap(marked, 100, break_on_hyphens=False)), "  "))
        lines += self._why()
        for diagnosis in self.diagnoses:
            lines.append("")
            lines.append(textwrap.indent(_wrap(f"[{diagnosis.code}] {diagnosis.message}"), "  "))
            if diagnosis.example:
                lines.append(textwrap.indent(diagnosis.example, "    "))
        if self.remarks:
            lines += ["", *(textwrap.indent(_wrap(f"(Noted: {remark})"), "  ") for remark in self.remarks)]
        if self.printed:
            lines += ["", textwrap.indent("Your function printed:\n" + self.printed, "  ")]
        return "\n".join(lines)

    def _why(self) -> list[str]:
        """Why the marks are not the share of the aspects that are right."""
        right = sum(self.groups.values()) / len(self.groups) if self.groups else 0.0
        if self.status == REJECTED and right:
            first = next(iter(self.groups))
            return [f"  No marks yet: the other aspects count once `{first}` is right."]
        if self.status == PARTLY and self.score > right + 1e-3:
            return ["  A slip that the check names takes three fifths of the marks at most."]
        return []

    def __str__(self) -> str:
        return self.text()

    def _repr_pretty_(self, printer: object, cycle: bool) -> None:
        """Keep `check(...)` as a cell's last line from printing the verdict twice."""
        printer.text(f"Result({self.name!r}, score={self.score:g}, status={self.status!r})")  # type: ignore[attr-defined]


def _wrap(text: str) -> str:
    """Sentences in lines of at most 100 characters; lines of code, which are indented, as they are."""
    lines = [[line] if line.startswith(" ") else textwrap.wrap(line, 100) for line in text.splitlines()]
    return "\n".join(part for line in lines for part in line)
