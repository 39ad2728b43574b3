"""The `segkit` command: train, eval, predict, crf, bench, data, grade, class, doctor."""

from segkit.cli.main import main

__all__ = ["main"]
