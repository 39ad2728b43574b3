"""The `segkit` command: train, eval, predict, crf, bench, data, street, grade, class, doctor."""

from segkit.cli.main import main

__all__ = ["main"]
