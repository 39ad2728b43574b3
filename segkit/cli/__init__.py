"""The `segkit` command: train, eval, predict, data, grade, doctor."""

from segkit.cli.main import main

__all__ = ["main"]
