"""Loaded by pytest for everything in the checkout, the notebooks of course/ included: `pytest --nbval` is strict, and
`pytest --quick` runs a part."""

pytest_plugins = ["tests.course.strict_nbval", "tests.quick"]
