"""Numbers about networks: what a layer can see, what it does see, what it costs, and what it has to beat."""

from segkit.analysis.anatomy import Part, anatomy
from segkit.analysis.baselines import fitted_ceiling, position_prior
from segkit.analysis.cost import Cost, LayerCost, cost
from segkit.analysis.effective import EffectiveField, effective_field
from segkit.analysis.footprint import gradient_footprint
from segkit.analysis.gridding import Contributions, Verdict, contributions, hdc_verdict, max_distances
from segkit.analysis.memory import Kept, KeptTable, kept_bytes, kept_table, peak_bytes, saved_for_backward
from segkit.analysis.pareto import pareto_front
from segkit.analysis.power import PowerLaw, power_law
from segkit.analysis.receptive import receptive_field
from segkit.analysis.rules import UnknownOperation
from segkit.analysis.table import Box, Row, Table
from segkit.analysis.timing import in_turns
from segkit.analysis.valid_weights import ValidWeights, three_by_three, valid_weights

__all__ = [
    "Box", "Contributions", "Cost", "EffectiveField", "Kept", "KeptTable", "LayerCost", "Part", "PowerLaw", "Row",
    "Table", "UnknownOperation", "ValidWeights", "Verdict", "anatomy", "contributions", "cost", "effective_field",
    "fitted_ceiling", "gradient_footprint", "hdc_verdict", "in_turns", "kept_bytes", "kept_table", "max_distances",
    "pareto_front", "peak_bytes", "position_prior", "power_law", "receptive_field", "saved_for_backward",
    "three_by_three", "valid_weights",
]  # fmt: skip
