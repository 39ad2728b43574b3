"""Numbers about networks: what a layer can see, and what it does see."""

from segkit.analysis.effective import EffectiveField, effective_field
from segkit.analysis.footprint import gradient_footprint
from segkit.analysis.gridding import Contributions, Verdict, contributions, hdc_verdict, max_distances
from segkit.analysis.receptive import receptive_field
from segkit.analysis.rules import UnknownOperation
from segkit.analysis.table import Box, Row, Table

__all__ = [
    "Box",
    "Contributions",
    "EffectiveField",
    "Row",
    "Table",
    "UnknownOperation",
    "Verdict",
    "contributions",
    "effective_field",
    "gradient_footprint",
    "hdc_verdict",
    "max_distances",
    "receptive_field",
]
