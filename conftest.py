"""Loaded by pytest for everything in the checkout, the notebooks of course/ included: makes `pytest --nbval` strict."""

pytest_plugins = ["tests.course.strict_nbval"]
