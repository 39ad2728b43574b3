"""A network in evaluation for a while: each module has its own mode back, whatever happened."""

from __future__ import annotations

import pytest
from torch import nn

from segkit.models.modes import in_evaluation


def test_each_module_has_its_own_mode_back() -> None:
    network = nn.Sequential(nn.BatchNorm2d(2), nn.Dropout(), nn.Sequential(nn.BatchNorm2d(2))).train()
    network[0].eval()
    modes = [module.training for module in network.modules()]
    with in_evaluation(network):
        assert not any(module.training for module in network.modules())
    assert [module.training for module in network.modules()] == modes
    with pytest.raises(KeyError), in_evaluation(network):
        raise KeyError
    assert [module.training for module in network.modules()] == modes
