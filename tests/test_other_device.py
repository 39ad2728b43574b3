"""CRF, operators, models, training and metrics compute where their tensors are: tried on a device beside the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from segkit import ops, viz
from segkit.analysis import effective_field
from segkit.crf import BruteForceFilter, CRFasRNN, DenseCRF, PermutohedralLattice, unary_from_labels
from segkit.inference import MultiScale, Normalised, Segmenter, tiled
from segkit.metrics import CellScores, ConfusionMatrix, TrimapIoU, label_components
from segkit.training import (
    cross_entropy,
    evaluate,
    keep_centre,
    sample_patches,
    sample_pixels,
    separate,
    unet_weight_map,
)
from tests.course.test_gpu import gpu_equal
from tests.crf.pictures import scene
from tests.models.common import CASES, CLASSIFIERS, Case
from tests.other_device import THERE, Elsewhere, OtherDevice, other_device
from tests.training.test_loop import Stripes, trainer

__all__ = ["other_device"]  # a fixture
pytestmark = pytest.mark.usefixtures("other_device")
PICTURES = scene(20, 24, 3, batch=2)


def compare(compute: Callable[..., Any], *tensors: Tensor) -> None:
    """The same answers and gradients on both devices, and all of them on the device of the tensors."""
    answers = []
    for there in (False, True):
        with OtherDevice():
            leaves = [t.detach().to(THERE) if there else t.detach().clone() for t in tensors]
            learned = [t.requires_grad_() for t in leaves if t.is_floating_point()]
            values = [v for v in tree_leaves(compute(*leaves)) if isinstance(v, Tensor)]
            ends = [v.square().sum() for v in values if v.requires_grad]
            slopes = torch.autograd.grad(ends, learned, allow_unused=True) if ends and learned else ()
            found = [v.detach() for v in (*values, *slopes) if v is not None]
            assert values and all(isinstance(v, Elsewhere) is there for v in found)
            answers.append([v.cpu() for v in found])
    torch.testing.assert_close(answers[1], answers[0], rtol=1e-4, atol=1e-5)


def test_it_tells_devices_apart() -> None:
    x = torch.arange(6.0).view(2, 3)
    with OtherDevice():
        y = x.to(THERE)
        assert isinstance(y, Elsewhere) and (y.t() + 1).device.type == THERE
        assert torch.zeros(2, device="meta").device.type == "meta"
        assert (y * torch.tensor(2.0)).sum().item() == 30 and torch.tensor([1.0], device=THERE).device.type == THERE
        for mixed in (lambda: y + x, lambda: y[torch.tensor([0])], lambda: torch.cat([y, x]), lambda: F.linear(y, x)):
            with pytest.raises(RuntimeError, match="meets tensors"):
                mixed()
        y[0] = 7
        assert torch.equal(y.cpu(), torch.tensor([[7.0, 7, 7], [3, 4, 5]])) and x[0, 0] == 0


@pytest.mark.parametrize("normalization", ["none", "before", "after", "symmetric"])
@pytest.mark.parametrize("form", ["number", "diagonal", "matrix"])
def test_dense_crf(normalization: str, form: str) -> None:
    logits, pictures, _ = PICTURES
    mu = {"number": torch.tensor(3.0), "diagonal": torch.tensor([1.0, 2, 3]), "matrix": torch.rand(3, 3)}[form]
    depth = torch.rand(2, 1, 20, 24)

    def inferred(x: Tensor, p: Tensor, z: Tensor, mu: Tensor) -> list[Tensor]:
        crf = DenseCRF(gaussian_compat=mu, normalization=normalization)
        q, trace = crf(x, p, extra=[(z, 2)], trace=True)
        with torch.no_grad():
            return [q, trace.kl, trace.energy, crf(x, p, extra=[(z, mu)]), crf(unary=-x, pictures=p)]

    compare(inferred, logits.double(), pictures, depth.double(), mu.double())  # without a norm, rounding grows


def test_the_rest_of_the_crf() -> None:
    logits, pictures, labels = PICTURES
    compare(lambda x, f: [PermutohedralLattice(f).filter(x)], torch.rand(50, 4), 3 * torch.randn(50, 5))
    compare(lambda x, f: BruteForceFilter(f, "symmetric").filter(x), torch.rand(50, 4), 3 * torch.randn(50, 5))
    compare(lambda t: unary_from_labels(t, 0.7, 3), labels)

    def trained(x: Tensor, p: Tensor, t: Tensor) -> list[Tensor]:
        layer = CRFasRNN(3).to(x.device)
        loss = F.cross_entropy(layer(x, p), t)
        return [loss, *torch.autograd.grad(loss, layer.parameters(), retain_graph=True)]

    compare(trained, logits, pictures, labels)


OPS = [case for case in gpu_equal.OPERATORS if case[0] != "shift_and_stitch"]  # which a network takes apart


@pytest.mark.parametrize(("name", "tensors", "arguments"), OPS, ids=lambda it: it if isinstance(it, str) else "")
def test_operators(name: str, tensors: list[Tensor], arguments: dict[str, Any]) -> None:
    def compute(*leaves: Tensor) -> Any:
        told = {k: v.to(leaves[0].device) if isinstance(v, Tensor) else v for k, v in arguments.items()}
        return getattr(ops, name)(*leaves, **told)

    compare(compute, *tensors)


@pytest.mark.parametrize("case", [*CASES, *CLASSIFIERS], ids=str)
def test_models(case: Case) -> None:
    def run(x: Tensor) -> Any:
        model = case.lively().eval().to(x.device)
        outputs = model.outputs(x)
        learned = [p for p in model.parameters() if p.requires_grad]
        slopes = torch.autograd.grad(outputs["logits"].square().sum(), learned, retain_graph=True, allow_unused=True)
        return outputs, [s for s in slopes if s is not None]

    compare(run, torch.randn(2, case.channels, 33, 47))


@pytest.mark.parametrize("settings", [{}, {"ema": 0.9}], ids=["plain", "ema"])
def test_training_and_evaluation(tmp_path: Any, settings: dict[str, Any]) -> None:
    out = tmp_path / "run.safetensors"
    here = trainer(**settings)
    here.fit(quiet=True)
    with OtherDevice():
        trainer(device=THERE, **settings).fit(out, until=4, quiet=True)
        there = trainer(device=THERE, **settings)
        there.fit(out, resume=True, quiet=True)
        assert all(isinstance(p, Elsewhere) for p in there.best.state_dict().values())
        matrix = evaluate(there.best, Stripes(), device=THERE)
        weights = tree_map(lambda t: t.cpu(), dict(there.best.state_dict()))
    torch.testing.assert_close(weights, dict(here.best.state_dict()), rtol=1e-4, atol=1e-5)
    assert torch.equal(matrix.matrix, evaluate(here.best, Stripes(), device="cpu").matrix)


def test_losses_and_maps_of_cells() -> None:
    logits, pictures, labels = PICTURES
    compare(lambda x, t, w: cross_entropy(x, t, w, pixel_weight=(t + 1.0)), logits, labels, torch.tensor([1.0, 2, 3]))
    compare(lambda t: [sample_pixels(t, 1.0), keep_centre(t, 3), label_components(t == 1)], labels)
    compare(lambda i: [unet_weight_map(i), *separate((i > 0).long(), i)], labels)
    draws = [torch.Generator().manual_seed(0) for _ in range(2)]
    compare(lambda p, t: sample_patches(p, t, 5, 3, draws.pop()), pictures / 255.0, labels)


def test_metrics_and_pictures() -> None:
    logits, pictures, labels = PICTURES

    def scored(x: Tensor, p: Tensor, t: Tensor) -> list[Tensor]:
        scores = [ConfusionMatrix(3), TrimapIoU(3, 2)]
        for score in scores:
            score.update(x, t)
        cells = CellScores()
        cells.update(x.argmax(1)[0], t[0])
        numbers = [torch.tensor(list(cells.summary().values())), *(score.iou() for score in scores)]
        shown = torch.from_numpy(viz.overlay(p[0], t[0], Stripes.palette.repeat(2, 0)))
        return [v.to(x.device) for v in (*numbers, shown)]

    compare(scored, logits, pictures, labels)


def test_effective_field_of_a_network_elsewhere() -> None:
    case = next(c for c in CASES if c.name == "fcn8s")
    fields = []
    for device in ("cpu", THERE):
        with OtherDevice():
            fields.append(effective_field(case.lively().to(device), 65, samples=2).map)
    torch.testing.assert_close(*fields, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("home", ["cpu", THERE])
def test_inference_with_a_network_elsewhere(home: str) -> None:
    """The picture is here or there, the network there: tiles, scales and enlarged labels are as on the CPU."""
    case, picture = next(c for c in CASES if c.name == "fcn8s"), torch.rand(3, 100, 120)
    answers = []
    for device in ("cpu", THERE):
        with OtherDevice():
            x = picture.to(home if device == THERE else device)
            network = MultiScale(Normalised(case.lively().to(device), (0.5,) * 3, (0.2,) * 3).to(device), (0.5, 1.0))
            parts = [tiled(network, x[None], 64, 0, scores=True), Segmenter(network, short_side=70)(x)]
            answers.append([part.cpu() for part in parts])
    torch.testing.assert_close(answers[0][0], answers[1][0], rtol=1e-4, atol=1e-6)
    assert (answers[0][1] == answers[1][1]).double().mean() > 0.999
