"""One forward for everything, a configuration that the class keeps, and models that survive being wrapped."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from segkit.models import (
    FCN,
    DeepLabV1,
    Dilated,
    Model,
    UNet,
    available,
    create,
    load,
    options,
    register,
    save,
    unwrapped,
)
from tests.models.common import CASES, Case

DEEP = ("resnet", "xception")  # encoders that resnet18 stands for where it is about the model

one_of_each = pytest.mark.parametrize("case", list({case.name: case for case in CASES}.values()), ids=str)


@one_of_each
def test_named_outputs_go_through_the_hooks(case: Case) -> None:
    model, x, seen = case.lively().eval(), torch.randn(1, case.channels, 40, 33), []
    model.register_forward_hook(lambda _, inputs, output: seen.append(output))
    with torch.no_grad():
        logits, named = model(x), model(x, outputs=True)
        also = model.outputs(x)
    assert seen[0] is logits and seen[1] is named and seen[2] is also
    assert list(named) == ["logits", *case.maps] and torch.equal(named["logits"], logits)


@one_of_each
def test_a_copy_is_a_model_of_its_own(case: Case) -> None:
    model, x = case.lively().eval(), torch.randn(1, case.channels, 24, 40)
    twin = copy.deepcopy(model)
    assert twin.config == model.config and twin.config is not model.config
    with torch.no_grad():
        before = model(x)
        next(p for p in twin.parameters() if p.requires_grad).add_(1.0)
        assert torch.equal(model(x), before) and not torch.equal(twin(x), before)


@one_of_each
def test_compiled_and_averaged_models_are_saved_like_themselves(case: Case, tmp_path) -> None:
    model, x = case.lively().eval(), torch.randn(1, case.channels, 24, 40)
    wrappings = [torch.compile(model, backend="eager"), AveragedModel(model), nn.DataParallel(model)]
    for number, wrapped in enumerate([*wrappings, torch.compile(AveragedModel(model), backend="eager")]):
        back = load(save(wrapped, tmp_path / f"{number}.safetensors"))
        assert type(unwrapped(wrapped)) is type(model) and back.config == model.config
        with torch.no_grad():
            assert torch.equal(back(x), model(x))


def test_distributed_training_reaches_auxiliary_outputs(tmp_path) -> None:
    """Through DistributedDataParallel, whose own forward is the only way in: gradients from a named output too."""
    if not torch.distributed.is_available():
        pytest.skip("this build of torch has no torch.distributed")
    address = (tmp_path / "store").as_uri()
    torch.distributed.init_process_group("gloo", init_method=address, rank=0, world_size=1)
    try:
        model = create("dilated", 3, width=2, hidden=4, encoder="vgg11", batch_norm=True)
        wrapped, x = nn.parallel.DistributedDataParallel(model), torch.randn(2, 3, 24, 32)
        found = wrapped(x, outputs=True)
        (found["logits"].square().mean() + 0.4 * found["front_end"].square().mean()).backward()
        assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
        back = load(save(wrapped, tmp_path / "a.safetensors"))
        assert torch.equal(back(x), model.eval()(x))
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize(
    ("made", "config"),
    [
        (lambda: FCN(13, width=2, hidden=4), {"name": "fcn8s", "num_classes": 13, "width": 2, "hidden": 4}),
        (lambda: FCN(3, 16, width=2, hidden=4), {"name": "fcn16s", "num_classes": 3, "width": 2, "hidden": 4}),
        (lambda: DeepLabV1(3, (3, 2), True, 2, hidden=4),
         {"name": "deeplab_v1_msc", "num_classes": 3, "fov": [3, 2], "width": 2, "hidden": 4}),
        (lambda: Dilated(3, False, 2, hidden=4),
         {"name": "dilated_frontend", "num_classes": 3, "width": 2, "hidden": 4}),
        (lambda: Dilated(3, "large", 2, hidden=4),
         {"name": "dilated", "num_classes": 3, "context": "large", "width": 2, "hidden": 4}),
        (lambda: UNet(np.int64(3), np.int32(2), dropout=np.float64(0.25)),
         {"name": "unet", "num_classes": 3, "width": 2, "dropout": 0.25}),
    ],
)  # fmt: skip
def test_a_class_knows_how_it_was_made(made, config, tmp_path) -> None:
    model = made()
    assert model.config == config == json.loads(json.dumps(model.config))
    assert load(save(model, tmp_path / "a.safetensors")).config == config


@pytest.mark.parametrize("name", available())
def test_numbers_of_numpy_are_numbers(name: str, tmp_path) -> None:
    """Class numbers and widths often come out of arrays; `test_compiled` compiles such models."""
    sizes = {size: np.int64(4) for size in ("width", "hidden") if size in options(name)}
    encoder = {"encoder": "resnet18"} if str(options(name).get("encoder")).startswith(DEEP) else {}
    model = create(name, np.int64(3), **sizes, **encoder)
    assert type(model.num_classes) is int and type(model.config["width"]) is int
    assert load(save(model, tmp_path / "a.safetensors")).config == model.config
    also = create(name, np.int64(3), in_channels=np.int64(2), **sizes, **encoder)
    assert type(also.in_channels) is int


def test_batch_norm_means_the_same_everywhere() -> None:
    for name in ("fcn8s", "unet", "dilated", "deeplab_v1"):
        narrow = {"width": 2, "hidden": 4} if "hidden" in options(name) else {"width": 2}
        said, named = (create(name, 2, encoder=encoder, batch_norm=True, **narrow) for encoder in ("vgg11", "vgg11_bn"))
        assert list(said.state_dict()) == list(named.state_dict()) and said.foundation() == "vgg11_bn"
        assert any(isinstance(m, nn.BatchNorm2d) for m in said.encoder.modules())
        with pytest.raises(ValueError, match="encoder='vgg11_bn' has BatchNorm and batch_norm=False"):
            create(name, 2, encoder="vgg11_bn", batch_norm=False, **narrow)


def test_an_older_word_for_the_encoder_is_understood() -> None:
    for name, depth, encoder in (("segnet", 11, "vgg11"), ("deeplab_v1", 13, "vgg13"), ("duc_hdc", 18, "resnet18")):
        old, new = create(name, 2, width=2, depth=depth), create(name, 2, width=2, encoder=encoder)
        assert old.config == new.config and list(old.state_dict()) == list(new.state_dict())
    with pytest.raises(ValueError, match="unet takes no option depth"):
        create("unet", 2, depth=11)


def test_a_class_of_ones_own_gets_a_name_by_registering(tmp_path) -> None:
    class Plain(Model):
        def __init__(self, num_classes: int, in_channels: int = 3) -> None:
            super().__init__()
            self.num_classes, self.in_channels = num_classes, in_channels
            self.score = nn.Conv2d(in_channels, num_classes, 1)

        def compute(self, x):
            return {"logits": self.score(x)}

    with pytest.raises(ValueError, match=r"Plain, a model without a registered name.*@segkit\.models\.register"):
        save(Plain(2), tmp_path / "a.safetensors")
    try:
        register("plain")(Plain)
        model = Plain(2, in_channels=1).eval()
        back, x = load(save(model, tmp_path / "a.safetensors")), torch.rand(1, 1, 5, 6)
        assert type(back) is Plain and torch.equal(back(x), model(x))
    finally:
        from segkit.models import base

        del base._MODELS["plain"]


def test_every_model_has_the_same_words_for_the_same_things() -> None:
    for name in available():
        known = options(name)
        assert {"width", "in_channels"} <= set(known), name
        assert not {"depth", "backbone", "os"} & set(known), name


@pytest.mark.parametrize(
    ("name", "choices", "foundation"),
    [("fcn8s", {}, "vgg16"), ("fcn32s", {"encoder": "alexnet"}, "alexnet"), ("segnet", {}, "vgg16_bn"),
     ("duc_hdc", {"encoder": "resnet50"}, "resnet50"), ("deeplab_v1", {"batch_norm": True}, "vgg16_bn"),
     ("unet", {"encoder": "resnet18"}, "resnet18"), ("unet", {}, None), ("enet", {}, None)],
)  # fmt: skip
def test_a_model_names_the_classifier_it_can_start_from(name, choices, foundation) -> None:
    with torch.device("meta"):
        assert create(name, 2, **choices).foundation() == foundation
