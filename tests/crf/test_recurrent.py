"""CRF-as-RNN: it starts as a dense CRF, its gradients are right, and training it and the network before it pays."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from segkit.crf import CRFasRNN, DenseCRF
from tests.crf.pictures import scene


def test_it_starts_as_a_dense_crf() -> None:
    logits, pictures, _ = scene(batch=2)
    layer = CRFasRNN(3)
    reference = DenseCRF(3, 3, 160, 3, 5)
    torch.testing.assert_close(layer(logits, pictures).softmax(1), reference(logits, pictures), rtol=1e-4, atol=1e-5)
    assert {n: tuple(p.shape) for n, p in layer.named_parameters()} == {
        "bilateral_weights": (3,), "spatial_weights": (3,), "compatibility": (3, 3),
    }  # fmt: skip
    assert torch.equal(CRFasRNN(3, iterations=0)(logits, pictures), logits)


def test_gradients() -> None:
    logits, pictures, _ = scene(4, 5)
    layer = CRFasRNN(3, beta=20, iterations=3, normalization="after").double()
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.randn(p.shape))
    names = list(dict(layer.named_parameters()))

    def run(x: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x, pictures))

    leaves = (logits.double().requires_grad_(), *(p.detach().clone().requires_grad_() for p in layer.parameters()))
    assert torch.autograd.gradcheck(run, leaves)


def test_training_end_to_end_lowers_the_loss_more_than_without_it() -> None:
    logits, pictures, labels = scene(32, 40, 4, batch=3)
    x = pictures / 255.0
    for seed in (0, 1):
        losses = {}
        for with_crf in (False, True):
            torch.manual_seed(seed)
            network = nn.Conv2d(4, 4, 1)
            crf = CRFasRNN(4, alpha=40, beta=20, bilateral_weight=1, spatial_weight=1, picture_max=1)
            optimiser = torch.optim.Adam([*network.parameters(), *crf.parameters()], 0.05)
            for step in range(25):
                scores = network(logits)
                scores = crf(scores, x) if with_crf else scores
                loss = nn.functional.cross_entropy(scores, labels)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                if with_crf and step == 0:
                    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in crf.parameters())
                    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
            losses[with_crf] = float(loss.detach())
        assert losses[True] < 0.7 * losses[False]


def test_autocast_and_what_it_refuses() -> None:
    logits, pictures, _ = scene()
    layer = CRFasRNN(3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = layer(logits, pictures)
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, layer(logits, pictures))
    for arguments, words in (((0,), "num_classes"), ((3, 0), "alpha=0")):
        with pytest.raises(ValueError, match=words):
            CRFasRNN(*arguments)
    with pytest.raises(ValueError, match="iterations"):
        CRFasRNN(3, iterations=-1)
    with pytest.raises(ValueError, match="3 classes"):
        layer(logits[:, :2], pictures)
    with pytest.raises(ValueError, match="NaN"):
        layer(logits / 0, pictures)
