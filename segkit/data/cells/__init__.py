"""Cells: made-up microscope pictures with exact labels and instances. Start reading at `dataset.py`."""

from segkit.data.cells.dataset import Cells

__all__ = ["Cells"]
