"""Long experiments that can be stopped: the scores of each finished run are kept, and only what is missing is run."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from common import COURSE

from segkit.files import write_json


class Runs:
    """Scores of finished runs in runs/course/NAME.json; settings that differ from the kept ones start afresh.

    Args:
        name: of the experiment.
        settings: all that the scores depend on, JSON only.
    """

    def __init__(self, name: str, settings: dict[str, Any]) -> None:
        self.path = COURSE.parent / "runs" / "course" / f"{name}.json"
        self.settings = json.loads(json.dumps(settings))
        kept = json.loads(self.path.read_text()) if self.path.is_file() else {}
        self.scores: dict[str, Any] = kept["scores"] if kept.get("settings") == self.settings else {}

    def once(self, key: str, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The scores of the run of that name, computed now if they are not there yet."""
        if key not in self.scores:
            self.scores[key] = run()
            write_json({"settings": self.settings, "scores": self.scores}, self.path)
            shown = {k: round(v, 4) for k, v in self.scores[key].items() if isinstance(v, float | int)}
            print(key, shown, flush=True)
        return self.scores[key]

    def forget(self) -> None:
        """Drop what was kept, once the result is recorded."""
        self.path.unlink(missing_ok=True)
