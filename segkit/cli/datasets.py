"""`segkit data get NAME` and `segkit data check NAME`, also `segkit data check folder:PATH`."""

from __future__ import annotations

import argparse

from segkit.data import download


def datasets(o: argparse.Namespace) -> int:
    """Run the command; 0 when the set is there and right."""
    report = download.get(o.name, o.root) if o.action == "get" else download.check(o.name, o.root)
    print(report)
    return 0 if report.ok else 1
