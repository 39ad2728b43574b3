"""`python -m segkit` is the command `segkit`, also where the command is not on the path."""

from __future__ import annotations

import sys

from segkit.cli import main

if __name__ == "__main__":
    sys.exit(main())
