"""The links to other hosts in the course's texts, asked one by one: python tests/outside.py [FILE ...].

Standard library only. A host that wants no robots (401, 403, 405, 429) is taken at its word; what is gone, or answers
three times with an error, is told with the files that link to it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PART = r"[^\s<>\"'`\\\[\](){}|]"
LINK = re.compile(rf"https?://{PART}+(?:\([^\s()]*\){PART}*)*")
PRIVATE = re.compile(
    r"https?://(localhost|127\.|0\.0\.0\.0|\[|[^/]*\.?example\b|[^/]*\binvalid\b)|OWNER/NAME|\{|…|\.\.\."
)
GUARDED = (401, 403, 405, 429)  # there, and not for us
PAUSE = 5.0  # seconds before an address is asked again


def texts(path: Path) -> Iterator[str]:
    """What a reader sees of a file: of a notebook the cells' sources, without what they gave."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        for cell in json.loads(text)["cells"]:
            yield "".join(cell["source"])
    else:
        yield text


def links(paths: list[Path]) -> dict[str, list[str]]:
    """The addresses, and the names of the files that link to each."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        for text in texts(path):
            for link in LINK.findall(text):
                link = link.rstrip(".,;:!?*_").partition("#")[0]
                if not PRIVATE.search(link) and path.name not in found[link]:
                    found[link].append(path.name)
    return {link: names for link, names in found.items() if names}


def answer(link: str, tries: int = 3) -> str:
    """What is wrong with an address; empty if it can be reached."""
    why = ""
    for attempt in range(tries):
        time.sleep(PAUSE * attempt)
        request = urllib.request.Request(link, headers={"User-Agent": "Mozilla/5.0 (segkit link check)"})
        try:
            with urllib.request.urlopen(request, timeout=30):
                return ""
        except urllib.error.HTTPError as error:
            if error.code in GUARDED:
                return ""
            why = f"{error.code} {error.reason}"
        except (OSError, ValueError) as error:
            why = f"{type(error).__name__}: {error}"
    return why


def main(arguments: list[str]) -> int:
    if arguments:
        paths = [Path(name) for name in arguments]
    else:
        kept = subprocess.run(["git", "ls-files", "*.md", "*.ipynb", "*.py"], cwd=ROOT, capture_output=True, check=True)
        paths = [ROOT / name for name in kept.stdout.decode().splitlines() if not name.startswith("tests/")]
    found, broken = links(paths), 0
    for link, names in sorted(found.items()):
        if why := answer(link):
            broken += 1
            print(f"{link}\n    {why}; in {', '.join(names)}", flush=True)
    print(f"{len(found)} links, {broken} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
