"""The dense CRF: a Gaussian filter on the permutohedral lattice, mean-field inference, and both as a layer to train.

`DenseCRF()(logits, pictures)` gives Q. One idea a file: rows.py sparse matrices, simplex.py where a point lies,
corners.py the lattice points, each once, lattice.py the filter, features.py and kernels.py what makes pixels alike,
compatibility.py what labels cost each other, unary.py energies from labels, mean_field.py the inference, dense.py the
CRF, recurrent.py the layer, brute.py the filter over all pairs, search.py and grid.py its parameters from data.
"""

from segkit.crf.brute import BruteForceFilter, brute_force
from segkit.crf.compatibility import compatibility
from segkit.crf.dense import DenseCRF
from segkit.crf.features import bilateral_features, position_features
from segkit.crf.lattice import PermutohedralLattice
from segkit.crf.mean_field import Trace, mean_field, message_passing
from segkit.crf.recurrent import CRFasRNN
from segkit.crf.search import Found, search
from segkit.crf.unary import unary_from_labels

__all__ = [
    "BruteForceFilter", "CRFasRNN", "DenseCRF", "Found", "PermutohedralLattice", "Trace", "bilateral_features",
    "brute_force", "compatibility", "mean_field", "message_passing", "position_features", "search",
    "unary_from_labels",
]  # fmt: skip
