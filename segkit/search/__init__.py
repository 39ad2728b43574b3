"""Search: a network whose layers are mixtures at first, priced by a table of measured latencies, as in FasterSeg."""

from segkit.search.chain import MixedChain, Zoomed
from segkit.search.latency import Term, expected_latency, latency_table, path_latency
from segkit.search.mixed import Mixed

__all__ = ["Mixed", "MixedChain", "Term", "Zoomed", "expected_latency", "latency_table", "path_latency"]
