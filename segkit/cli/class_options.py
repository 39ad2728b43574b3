"""The words of `segkit class`; nothing here imports torch."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable
from datetime import datetime

_STEPS = """the four steps, all in one folder of the class:
  segkit class generate ch02 --to CLASS          write CLASS/handout, which you hand out
  segkit class collect DOWNLOADS --to CLASS      sort what came back into CLASS/submitted
  segkit class grade CLASS                       run it apart from everything; marks in CLASS/graded
  segkit class feedback CLASS                    a page for each student, and a summary for you
and for the lecture:
  segkit class slides 08 --to FOLDER             a chapter as slides, one file that works offline"""


def class_arguments(parser: argparse.ArgumentParser, run: Callable[[str], Callable[[argparse.Namespace], int]]) -> None:
    """Add the words of `segkit class`.

    Args:
        parser: of the command.
        run: makes the function to call, of "module:function".
    """
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = textwrap.dedent(f"{parser.description}\n\n{_STEPS}")
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")

    def step(name: str, help: str) -> argparse.ArgumentParser:
        one = steps.add_parser(name, help=help, description=help)
        one.set_defaults(call=run(f"segkit.cli.classes:{name}"), parser=one)
        return one

    made = step("generate", "write the notebooks that students get, and a page that says how to work with them")
    made.add_argument("assignments", nargs="*", metavar="ASSIGNMENT", help="such as ch02 (default: all)")
    made.add_argument("--to", required=True, metavar="CLASS", help="the class's folder; writes CLASS/handout")
    made.add_argument("--students", metavar="FILE", help="a name in each line, or a learning system's table: a "
                      "notebook for each of them, with numbers of their own")  # fmt: skip
    made.add_argument("--course", action="store_true", help="also an archive of the course, without what is yours")

    came = step("collect", "sort a learning system's downloads into a folder for each student; say what came of each")
    came.add_argument("downloads", metavar="DOWNLOADS", help="a folder, or an archive as it was downloaded")
    came.add_argument("--to", required=True, metavar="CLASS", help="the class's folder; adds to CLASS/submitted")
    came.add_argument("--assignment", metavar="NAME", help="what was to be handed in, such as ch02")
    came.add_argument("--deadline", type=_time, metavar="TIME", help='such as "2027-01-31 23:59"; to note what is late '
                      "(default: the one given before)")  # fmt: skip
    came.add_argument(
        "--in-time", action="store_true", help="what came in time counts, even where something came later"
    )
    came.add_argument("--students", metavar="FILE", help="a name in each line, or a learning system's table: to see "
                      "who is missing, and whose a login is")  # fmt: skip
    marked = step("grade", "grade what was collected, each notebook apart from all else; go on where it was stopped")
    marked.add_argument("folder", metavar="CLASS", help="the class's folder, with CLASS/submitted")
    marked.add_argument("--again", action="store_true", help="grade all anew, also what has not changed")
    marked.add_argument("--workers", type=int, help="notebooks graded at a time (default: processor cores, at most 8)")

    told = step("feedback", "write a page for each student and a summary, with the marks in CLASS/rubric.csv")
    told.add_argument("folder", metavar="CLASS", help="the class's folder, graded")

    shown = step("slides", "write chapters as slides: one file each, which works offline and by the keyboard")
    shown.add_argument("chapters", nargs="*", metavar="CHAPTER", help="such as 08, or a notebook (default: all)")
    shown.add_argument("--to", required=True, metavar="FOLDER")


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: give a day and a time, such as 2027-01-31 23:59") from None
