"""Settings of nbgrader, which reads them where its commands are run in this folder."""

import os

here = os.path.dirname(os.path.abspath(__file__))
c = get_config()  # type: ignore[name-defined]  # noqa: F821
c.CourseDirectory.root = here
c.CourseDirectory.course_id = "segkit"
# The folder through which notebooks are handed out and in. It must be there, and everybody must be able to write to it:
# for a class on one server give another one, in SEGKIT_EXCHANGE.
c.Exchange.root = os.environ.get("SEGKIT_EXCHANGE", os.path.join(here, "exchange"))
c.Execute.timeout = 120  # seconds for a cell: with nbgrader's own 30, a busy machine would stop on right answers
