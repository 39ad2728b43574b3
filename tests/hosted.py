"""Links in the README to the chapters on hosted machines: python3 start.py hosted OWNER/NAME [BRANCH].

They need the repository's address, which is where it is published. Writes them between two marks, new ones for old.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- hosted -->\n", "<!-- /hosted -->\n"
COLAB, BINDER = "https://colab.research.google.com/github", "https://mybinder.org/v2/gh"


def block(repository: str, branch: str, chapters: list[str]) -> str:
    """The lines for one repository on GitHub.

    Args:
        repository: "OWNER/NAME".
        branch: the one to open.
        chapters: file names of the chapters, in order.
    """
    name = repository.partition("/")[2]
    links = [f"[{chapter[:2]}]({COLAB}/{repository}/blob/{branch}/course/{chapter})" for chapter in chapters]
    binder = f"{BINDER}/{repository}/{branch}?urlpath=lab/tree/course/{chapters[0]}"
    return f"""\
**Without installing anything**: [a codespace](https://codespaces.new/{repository}) (two cores, all is prepared), or
[Binder]({binder}) (one core, slow to start).
In Colab: {" · ".join(links)};
run this there first, in a new cell at the top:

```
!git clone -q --depth 1 -b {branch} https://github.com/{repository} && pip install -q -e "{name}[course]"
%cd {name}/course
import sys; sys.path.insert(0, "..")
```
"""


def filled(readme: str, text: str) -> str:
    """The README with this text between the marks.

    Raises:
        ValueError: the marks are not there, once each.
    """
    if readme.count(BEGIN) != 1 or readme.count(END) != 1:
        raise ValueError(
            f"README.md needs the lines {BEGIN.strip()} and {END.strip()}, once each: links go between them"
        )
    before, _, rest = readme.partition(BEGIN)
    return before + BEGIN + text + END + rest.partition(END)[2]


def main(arguments: list[str], root: Path = ROOT) -> int:
    repository, branch = [*arguments, "main"][:2] if arguments else ("", "")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        print(f"{__doc__}\nThe repository is {repository!r}; OWNER/NAME is needed.", file=sys.stderr)
        return 2
    chapters = sorted(path.name for path in (root / "course").glob("[0-9][0-9]_*.ipynb"))
    readme = root / "README.md"
    try:
        text = filled(readme.read_text(encoding="utf-8"), block(repository, branch, chapters))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    readme.write_text(text, encoding="utf-8")
    print(f"README.md links {len(chapters)} chapters of {repository}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
