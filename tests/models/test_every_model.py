"""What holds for every model: any input size and type, both engines, learning, saving, and the door that stays shut."""

from __future__ import annotations

import itertools
import json
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import segkit
from segkit.models import available, create, load, options, save
from tests.models.common import CASES, CLASSES, Case

every_case = pytest.mark.parametrize("case", CASES, ids=str)
SIZES = [(1, 1), (1, 7), (2, 3), (8, 9), (17, 33), (31, 64), (64, 31), (33, 47), (64, 96), (3, 200), (97, 130)]


def test_no_name_is_missing() -> None:
    assert {case.name for case in CASES} == {case.name for case in CASES if case.side} == set(available())
    assert len({str(case) for case in CASES}) == len(CASES)


@every_case
def test_any_size_in_train_and_eval(case: Case) -> None:
    """Logits of the picture's size and type, and every other output under its name, with a cell for each stride."""
    model = case.lively()
    for size in SIZES:
        x = torch.randn(2, case.channels, *size)
        for mode in (True, False):
            with torch.no_grad():
                out = model.train(mode).outputs(x)
                logits = model(x)
            assert list(out) == ["logits", *case.maps]
            assert out["logits"].shape == logits.shape == (2, CLASSES, *size), mode
            assert logits.dtype == x.dtype and all(value.dtype == x.dtype for value in out.values()), (size, mode)
            assert all(bool(value.isfinite().all()) for value in (logits, *out.values())), (size, mode)
            for name, (side, channels) in case.maps.items():
                cells = out[name].shape[-2:] if side is None else tuple(-(-n // side) for n in size)
                assert out[name].shape == (2, channels, *cells), (name, size, mode)
        assert torch.equal(out["logits"], logits), size


@every_case
def test_both_engines_give_the_same_logits_and_gradients(case: Case) -> None:
    """In float64, so that any tap out of place shows; of the picture and of all that is learned."""
    model = case.lively().double().eval()
    x = torch.randn(2, case.channels, 41, 58, dtype=torch.float64, requires_grad=True)
    learned = {name: p for name, p in model.named_parameters() if p.requires_grad}
    logits, gradients = [], []
    for engine in ("native", "scratch"):
        with segkit.use_engine(engine):
            y = model.outputs(x)  # auxiliary heads too, which no logit hears of
            ends = sum(value.square().sum() for value in y.values())
            gradients.append(torch.autograd.grad(ends, [x, *learned.values()]))
            logits.append(y["logits"].detach())
    assert logits[0].dtype == torch.float64
    torch.testing.assert_close(*logits, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-10)
    silent = {name for name, g in zip(["x", *learned], gradients[0], strict=True) if not g.any()}
    slopes = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, torch.nn.PReLU)}
    keys = {name for name in learned if name.endswith("key.bias")}  # moves all products of a query alike
    mute = slopes | keys  # of PReLU, only the slope for negative numbers may have had none to learn from
    assert silent <= mute, (
        f"no gradient reaches {sorted(silent - mute)}: either no output hears of them, or a ReLU behind them is 0 at "
        "every place, as in a block of very few channels: give the case in tests/models/common.py a larger width"
    )


@every_case
def test_pictures_of_a_batch_do_not_meet(case: Case) -> None:
    model, x = case.lively().double().eval(), torch.randn(2, case.channels, 33, 47, dtype=torch.float64)
    with torch.no_grad():
        both = model(x)
        torch.testing.assert_close(model(x[1:]), both[1:], rtol=1e-9, atol=1e-10)
    assert both.dtype == torch.float64 and not torch.allclose(both[0], both[1]), "the pictures are not looked at"


@every_case
def test_mixed_precision(case: Case) -> None:
    """Under torch.autocast, as a recipe trains on a card: the same outputs, and a gradient for all that is learned."""
    model, x = case.lively(), torch.randn(2, case.channels, 41, 70)
    for engine, training in itertools.product(("native", "scratch"), (False, True)):
        with segkit.use_engine(engine), torch.autocast("cpu", torch.bfloat16):
            found = model.train(training).outputs(x)
        torch.stack([value.float().square().mean() for value in found.values()]).sum().backward()
        assert list(found) == ["logits", *case.maps] and found["logits"].shape == (2, CLASSES, 41, 70)
        assert all(bool(value.isfinite().all()) for value in found.values()), (engine, training)
        assert all(p.grad is not None for p in model.parameters() if p.requires_grad), (engine, training)
        model.zero_grad()


@pytest.mark.parametrize("case", [case for case in CASES if case.side], ids=str)
def test_training_lowers_the_loss(case: Case) -> None:
    """Two classes, left and right: a network that does not know where it is keeps a loss of log 2."""
    dropout = {"dropout": 0.0} if "hidden" in case.options else {}
    model, n = case.build(2, **dropout), case.side
    x, target = torch.randn(4, case.channels, n, n), torch.zeros(4, n, n, dtype=torch.long)
    target[:, :, n // 2 :], x[:, 0, :, n // 2 :] = 1, x[:, 0, :, n // 2 :] + 2
    optimiser, losses = torch.optim.AdamW(model.parameters(), case.rate), []
    for _ in range(40):
        loss = F.cross_entropy(model(x), target)
        losses.append(loss.item())
        if losses[-1] < 0.4 * losses[0]:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < 0.4 * losses[0] and losses[0] > 0.6, losses


@every_case
def test_a_saved_model_comes_back(case: Case, tmp_path) -> None:
    model, x = case.lively().eval(), torch.randn(1, case.channels, 30, 41)
    back = load(save(model, tmp_path / "a.safetensors"))
    assert not back.training and back.config == json.loads(json.dumps(model.config))
    with torch.no_grad():
        assert torch.equal(back(x), model(x))


@pytest.mark.parametrize("name", available())
def test_what_cannot_be_is_named(name: str) -> None:
    deep = str(options(name).get("encoder")).startswith(("resnet", "xception"))
    model = create(name, 2, width=2, **({"encoder": "resnet18"} if deep else {}))
    for shape in ((3, 32, 32), (1, 1, 32, 32), (1, 4, 32, 32), (1, 3, 0, 32), (2, 1, 3, 32, 32)):
        with pytest.raises(ValueError, match=rf"\({shape[0]}, {shape[1]}, .*it takes N×3×H×W"):
            model(torch.zeros(shape))
    with pytest.raises(TypeError, match=r"torch\.uint8.*255"):
        model(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    with pytest.raises(TypeError, match=r"torch\.float64, and has weights of torch\.float32; bring both"):
        model(torch.zeros(1, 3, 32, 32, dtype=torch.float64))
    for strange in ([[1.0]], None, np.zeros((1, 3, 32, 32))):
        with pytest.raises(TypeError, match=r"got .*; it takes a tensor N×3×H×W"):
            model(strange)
    for wrong in ("num_classes", "width"):
        with pytest.raises(ValueError, match=f"{wrong}=0"):
            create(name, **{"num_classes": 3, wrong: 0})


@pytest.mark.parametrize("name", available())
@pytest.mark.parametrize("wrong", [0, -3, 2.5, "a", None, True])
def test_sizes_that_are_no_whole_numbers(name: str, wrong: object) -> None:
    """num_classes, width and, where there is one, hidden: the message names which, and what came."""
    sized = [size for size in ("num_classes", "width", "hidden") if size in {"num_classes", *options(name)}]
    for size in sized:
        if (size, wrong) == ("hidden", None):
            continue
        with pytest.raises((TypeError, ValueError), match=rf"{size}={re.escape(repr(wrong))}"):
            create(name, **{"num_classes": 3, "width": 4, size: wrong})


def _alone(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    x = inputs[0]
    if module.training and x.numel() == x.shape[1]:
        raise AssertionError(f"a BatchNorm of {x.shape[1]} channels learns from a single value of each")


@every_case
def test_no_batchnorm_learns_from_a_single_value(case: Case) -> None:
    """The model says so at its door, with what to do, and not torch at the layer; or every BatchNorm has more."""
    model = case.lively().train()
    norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.register_forward_pre_hook(_alone)
    refused = []
    for side in (1, 8, 9, 16, 17, 32, 33):
        x = torch.randn(1, case.channels, side, side)
        try:
            with torch.no_grad():
                model(x)
        except ValueError as error:
            assert re.search("pools one picture to one cell.* at least 2 pictures per step", str(error)), (side, error)
            refused.append(side)
    assert not refused or 1 in refused
    for norm in norms:
        norm.eval()
    for side in (1, *refused):  # with fixed statistics any size goes
        with torch.no_grad():
            model(torch.randn(1, case.channels, side, side))
