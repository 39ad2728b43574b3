"""Things to move: explorers for JupyterLab. Each computes with a pure function, draws with another, and wraps a shell
of ipywidgets around both, so it works without a browser too: set a control, read `.results` and `.picture.value`."""

from __future__ import annotations

try:
    import anywidget  # noqa: F401
    import ipywidgets  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"segkit.explore needs {error.name}: install it, or in a checkout all that the course needs: python3 start.py",
        name=error.name,
    ) from None

from segkit.explore.aspp import AsppExplorer
from segkit.explore.attention import AttentionExplorer
from segkit.explore.cost import CostExplorer
from segkit.explore.crf import CrfExplorer
from segkit.explore.gridding import GriddingExplorer
from segkit.explore.latency import LatencyExplorer
from segkit.explore.lineage import LineageExplorer
from segkit.explore.metrics import MetricsExplorer
from segkit.explore.picture import Picture
from segkit.explore.points import PointExplorer
from segkit.explore.pyramid import PyramidExplorer
from segkit.explore.race import RaceExplorer
from segkit.explore.receptive import ReceptiveFieldExplorer
from segkit.explore.skip import SkipExplorer
from segkit.explore.unpool import UnpoolExplorer
from segkit.explore.upsample import UpsampleExplorer

__all__ = [
    "AsppExplorer", "AttentionExplorer", "CostExplorer", "CrfExplorer", "GriddingExplorer", "LatencyExplorer",
    "LineageExplorer", "MetricsExplorer", "Picture", "PointExplorer", "PyramidExplorer", "RaceExplorer",
    "ReceptiveFieldExplorer", "SkipExplorer", "UnpoolExplorer", "UpsampleExplorer",
]  # fmt: skip
