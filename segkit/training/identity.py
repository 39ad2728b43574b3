"""What tells one run from another: a short word for its pictures and labels, and where two descriptions differ."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from segkit.data.base import set_epoch
from segkit.data.sample import as_sample


def fingerprint(dataset: Any) -> str:
    """Of up to 16 samples, evenly spread, as they come in the first epoch: other pictures, labels or order show."""
    set_epoch(dataset, 0)
    length, found = len(dataset), set()
    for _ in range(2):  # a set that is not the same twice cannot be told from another one
        digest = hashlib.sha256()
        for i in range(0, length, -(-length // 16)):
            for part in as_sample(dataset[i]):
                digest.update(part.contiguous().numpy().tobytes())
        found.add(digest.hexdigest()[:16])
    return found.pop() if len(found) == 1 else "drawn anew each time"


def differences(before: Any, now: Any, name: str = "") -> list[str]:
    """Where two descriptions of a run (JSON) differ, each as "name before → now"; dictionaries entry by entry."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys, prefix = sorted(before.keys() | now.keys()), f"{name}." if name else ""
        return [d for k in keys for d in differences(before.get(k, "nothing"), now.get(k, "nothing"), prefix + k)]
    before, now = json.loads(json.dumps([before, now]))
    return [] if before == now else [f"{name} {str(before)[:60]} → {str(now)[:60]}"]
