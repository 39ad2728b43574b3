"""GPU = CPU: what a card computes, in value and gradient, beside what the processor computes from the same numbers.

Float64, where rounding hides nothing; float32 with TF32 off; half precision where that is what is asked. `gpu.py equal`
records all checks, `pytest -m gpu` holds them one by one.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from segkit import ops
from segkit.cli import main as segkit
from segkit.crf import CRFasRNN, DenseCRF
from segkit.data import StreetScenes
from segkit.models import available, create, load, options
from segkit.training import Recipe, Trainer, evaluate

WEIGHTS = Path(__file__).resolve().parents[1] / "weights" / "lineage_fcn8s.safetensors"
CLASSES, FORMED = 5, ("fcn8s", "deeplab_v3plus", "unet")
LAYOUT = (torch.channels_last, torch.contiguous_format)  # there, here
Answers = dict[str, Tensor]


@dataclass(frozen=True)
class Check:
    """Something that is computed on two devices.

    Args:
        name: "kind: what".
        compute: device → the answers by name.
        within: how far apart they may be, as `apart` measures it.
        slope: the same for answers whose name begins with "gradient", where it is another.
    """

    name: str
    compute: Callable[[str], Answers]
    within: float
    slope: float = 0.0

    def __str__(self) -> str:
        return self.name

    def limit(self, answer: str) -> float:
        return (self.slope or self.within) if answer.startswith("gradient") else self.within

    def measure(self, device: str) -> dict[str, tuple[float, float]]:
        """For each answer how far the device is from the processor, and the largest single difference.

        Raises:
            ValueError: the answers differ in name, type or shape, or one is not finite, or zero everywhere.
        """
        with without_tf32():
            here, there = self.compute("cpu"), {k: v.cpu() for k, v in self.compute(device).items()}
        facts = [{name: f"{tuple(t.shape)} {t.dtype}" for name, t in answers.items()} for answers in (here, there)]
        if facts[0] != facts[1]:
            raise ValueError(f"{device} answers with {facts[1]}, the CPU with {facts[0]}")
        return {answer: apart(here[answer], there[answer]) for answer in here}


def apart(here: Tensor, there: Tensor) -> tuple[float, float]:
    """The difference's length over the answer's, or the share of labels that differ; and the largest difference."""
    if not here.is_floating_point():
        differs = here != there
        return float(differs.double().mean()), float(differs.any())
    here, gap = here.double(), there.double() - here.double()
    if not (here.isfinite().all() and gap.isfinite().all()):
        raise ValueError("an answer is not finite")
    if not here.any():
        raise ValueError("the answer is zero everywhere, and would be whatever the device did")
    return float(gap.norm() / here.norm()), float(gap.abs().max())


@contextlib.contextmanager
def without_tf32() -> Iterator[None]:
    """Products of float32 in float32, which cuDNN leaves out unless it is told."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32
    cudnn.allow_tf32 = matmul.allow_tf32 = False
    try:
        yield
    finally:
        cudnn.allow_tf32, matmul.allow_tf32 = before


def numbers(*shape: int, seed: int = 0) -> Tensor:
    """The same on every machine."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


order = torch.randperm(2 * 4 * 21 * 18, generator=torch.Generator().manual_seed(0)).double()
X = (order.view(2, 4, 21, 18) - 756) / 100  # no two are alike, not even in float16: the largest is the same anywhere
W, B = numbers(4, 4, 3, 3, seed=1), numbers(4, seed=2)
AT = torch.linspace(-1.3, 1.2, 2 * 5 * 7 * 2, dtype=torch.float64)[order[:140].argsort()].view(2, 5, 7, 2)  # in and out
PLACES = torch.arange(9).view(3, 3).expand(2, 4, 3, 3).contiguous()
OPERATORS: list[tuple[str, list[Tensor], dict[str, Any]]] = [
    ("adaptive_avg_pool2d", [X], {"output_size": (4, 5)}),
    ("adaptive_max_pool2d", [X], {"output_size": (4, 5), "return_indices": True}),
    ("attend", [X, X.flip(-1), X], {}),
    ("attend", [X / 8, X.flip(-1) / 8, X], {"scale": 1.0, "mask": torch.eye(21).cumsum(0) > 0}),
    ("avg_pool2d", [X], {"kernel_size": 3, "padding": 1, "ceil_mode": True}),
    ("avg_pool2d", [X], {"kernel_size": 3, "padding": 1, "ceil_mode": True, "count_include_pad": False}),
    ("bed_of_nails", [X], {"stride": (2, 3)}),
    ("channel_shuffle", [X], {"groups": 2}),
    ("conv2d", [X, W, B], {"padding": 1}),
    ("conv2d", [X, W, B], {"padding": 1, "stride": 2}),
    ("conv2d", [X, W, B], {"stride": 2, "padding": 2, "dilation": 2}),
    ("conv2d", [X, W[:, :1], B], {"padding": 1, "groups": 4}),
    ("conv2d", [X, W[:, :1], B], {"groups": 4, "dilation": 2}),
    ("conv2d", [X, W[:, :1], B], {"groups": 4, "stride": 2, "padding": 1}),
    ("conv_transpose2d", [X, W, B], {"padding": 1}),
    ("conv_transpose2d", [X, W, B], {"stride": 2, "padding": 1}),
    ("encode", [X / 8, W[..., 0, 0], -B.abs() / 8], {}),
    ("gate", [X, X[..., :1]], {"splits": 2}),
    ("gate", [X, X[..., :1, :1]], {}),
    ("grid_sample", [X, AT], {"align_corners": False}),
    ("grid_sample", [X, AT], {"padding_mode": "border", "align_corners": True}),
    ("grid_sample", [X, AT], {"padding_mode": "reflection", "align_corners": False}),
    ("interpolate", [X], {"scale_factor": 2.5}),
    ("interpolate", [X], {"size": (30, 7), "mode": "bilinear"}),
    ("interpolate", [X], {"size": (30, 7), "mode": "bilinear", "align_corners": True}),
    ("max_pool2d", [X], {"kernel_size": 3, "stride": 2, "padding": 1, "return_indices": True}),
    ("max_pool2d", [X[:, :, :2, :2]], {"kernel_size": 2, "padding": 1, "dilation": 1}),
    ("max_unpool2d", [X[..., :3, :3], PLACES], {"kernel_size": 2}),
    ("pixel_shuffle", [X], {"upscale_factor": 2}),
    ("pixel_unshuffle", [X], {"downscale_factor": 3}),
    ("point_sample", [X, (AT.flatten(1, 2) + 1) / 2], {"align_corners": False}),
    ("prelu", [X, B], {}),
    ("separable_conv2d", [X, W[:, :1], W[..., :1, :1], B], {"padding": 6, "dilation": 6}),
    ("shift_and_stitch", [X], {"network": lambda x: ops.max_pool2d(x, 2), "stride": 2}),
    ("spatial_pyramid_pool", [X], {"bins": (30, 6, 1)}),
    ("spatial_pyramid_pool", [X], {"bins": (6, 1)}),
    ("spatial_pyramid_pool", [X], {"mode": "avg"}),
    ("sweep", [X / 8, W[:3, :, 0, 0], W[:3, :1, 1, 1], B[:3]], {"direction": "left"}),
    ("sweep", [X / 8, W[..., 0, 0] / 4, W[..., 1, 1] / 4], {"cell": "relu", "open": (X[:, :1] > 0).double()}),
]
TYPES = {torch.float64: 1e-10, torch.float32: 1e-5, torch.float16: 5e-3}


def operators() -> Iterator[Check]:
    """Every operator of segkit.ops in three types."""
    for place, (name, tensors, arguments) in enumerate(OPERATORS):
        for dtype, within in TYPES.items():
            title = f"operator: {name} {place}, {dtype}"
            yield Check(title, lambda d, n=name, t=tensors, a=arguments, k=dtype: operator(d, n, t, a, k), within)


def operator(device: str, name: str, tensors: list[Tensor], arguments: dict[str, Any], dtype: torch.dtype) -> Answers:
    moved = [t.to(dtype) if t.is_floating_point() else t for t in tensors]
    arguments = {
        k: v.to(device, dtype if v.is_floating_point() else v.dtype) if isinstance(v, Tensor) else v
        for k, v in arguments.items()
    }
    leaves = [t.to(device).requires_grad_(t.is_floating_point()) for t in moved]
    if name == "shift_and_stitch":
        answer = ops.shift_and_stitch(arguments["network"], leaves[0], arguments["stride"])
    else:
        answer = getattr(ops, name)(*leaves, **arguments)
    values = answer if isinstance(answer, tuple) else (answer,)
    if any(v.device.type != torch.device(device).type for v in values):
        raise ValueError(f"{name} got tensors on {device} and answers on {values[0].device}")
    above = numbers(*values[0].shape, seed=3).to(dtype).to(device)
    slopes = torch.autograd.grad(values[0], [leaf for leaf in leaves if leaf.requires_grad], above)
    found = {f"value {i}": v.detach() for i, v in enumerate(values)}
    return found | {f"gradient {i}": slope for i, slope in enumerate(slopes)}


def small(name: str) -> nn.Module:
    """A model with few channels, none of its layers or factors zero: behind zeros every comparison would hold."""
    torch.manual_seed(0)
    usual = {"width": 4, "hidden": 16, "batch_norm": True, "dropout": 0.0}
    model = create(name, CLASSES, **{k: v for k, v in usual.items() if k in options(name)})
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and not module.weight.any():
            nn.init.normal_(module.weight)
    for factor in model.parameters():
        if factor.numel() == 1 and not factor.any():
            nn.init.constant_(factor, 0.5)
    return model.eval()


def models() -> Iterator[Check]:
    """Every model of the registry."""
    for dtype, within, slope in ((torch.float64, 1e-8, 1e-8), (torch.float32, 1e-4, 5e-3)):
        for name in available():
            yield Check(f"model: {name}, {dtype}", lambda d, n=name, k=dtype: network(d, small(n).to(k)), within, slope)


def network(device: str, model: nn.Module, layout: torch.memory_format = LAYOUT[1], compiled: bool = False) -> Answers:
    """Logits, and the gradient with respect to all weights, as one long vector."""
    first = next(model.parameters())
    x = numbers(2, 3, 65, 81).to(first.dtype).to(device).to(memory_format=layout)
    model = model.to(device).to(memory_format=layout)
    logits = (torch.compile(model, fullgraph=True) if compiled else model)(x)
    learned = [p for p in model.parameters() if p.requires_grad]
    found = torch.autograd.grad(logits.square().mean(), learned, allow_unused=True)
    return {"logits": logits.detach(), "gradient": torch.cat([g.flatten() for g in found if g is not None])}


def crf() -> Iterator[Check]:
    """The dense CRF, and the layer that learns."""
    for kind in (DenseCRF, CRFasRNN):
        yield Check(f"CRF: {kind.__name__}", lambda d, c=kind: sharpened(d, c), 1e-2, 2e-2)


def sharpened(device: str, kind: type[nn.Module]) -> Answers:
    scene = StreetScenes("test", size=(48, 64), length=1)[0]
    truth = nn.functional.one_hot(scene.labels.clamp(max=12), 13).permute(2, 0, 1)[None]  # 1, K, H, W
    logits = (2 * truth + numbers(*truth.shape)).float().to(device).requires_grad_()
    picture = (255 * scene.image[None]).round().to(torch.uint8).to(device)
    layer = kind(13).to(device) if kind is CRFasRNN else kind()
    answer = layer(logits, picture)
    learned = [logits, *layer.parameters()]
    slopes = torch.autograd.grad(answer.square().sum(), learned)
    found = {"scores": answer.detach(), "labels": answer.argmax(1)}
    return found | {f"gradient {i}": slope for i, slope in enumerate(slopes)}


def runs() -> Iterator[Check]:
    """A short training, in float32 and in mixed precision; a trained network scores and predicts."""
    yield Check("training: losses, float32", lambda d: trained(d, amp=False), 1e-2)
    yield Check("training: losses, mixed precision", lambda d: trained(d, amp=True), 1e-2)
    yield Check("evaluate: confusion matrix", scored, 1e-3)
    yield Check("predict: labels", predicted, 2e-3)
    yield Check("mixed precision: labels", halved, 1e-2)


def trained(device: str, amp: bool) -> Answers:
    recipe = Recipe(steps=8, batch_size=4, lr=3e-3, flip=0.5, ema=0.9, amp=amp, device=device)
    torch.manual_seed(0)
    model = create("fcn8s", 13, width=4, hidden=16, batch_norm=True, dropout=0.0)
    history = Trainer(model, StreetScenes("train", size=(48, 64), length=16), recipe).fit(quiet=True)
    return {"losses": torch.tensor([step["loss"] for step in history])}


def scored(device: str) -> Answers:
    scenes = StreetScenes("test", size=(96, 128), length=8)
    return {"matrix": evaluate(load(WEIGHTS), scenes, device=device).matrix.double()}


def predicted(device: str) -> Answers:
    """By the command line, in two sizes and mirrored."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        picture, labels = Path(folder, "street.png"), Path(folder, "labels.png")
        image = (255 * StreetScenes("test", size=(96, 128), length=1)[0].image).round().to(torch.uint8)
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(picture)
        out = ["-o", Path(folder, "over.png"), "--labels", labels]
        words = ["predict", picture, "--model", WEIGHTS, *out, "--scales", "0.75,1", "--flip", "--device", device]
        if segkit([str(word) for word in words]):
            raise ValueError("segkit predict failed, see above")
        with Image.open(labels) as found:
            return {"labels": torch.frombuffer(bytearray(found.tobytes()), dtype=torch.uint8)}


@torch.no_grad()
def halved(device: str) -> Answers:
    x = StreetScenes("test", size=(96, 128), length=1)[0].image[None].to(device)
    with torch.autocast(torch.device(device).type, torch.bfloat16):
        return {"labels": load(WEIGHTS).to(device).eval()(x).argmax(1)}


def forms(device: str) -> Iterator[Check]:
    """Channels last, and compiled, there; plain here. What takes longest comes last."""
    for name in FORMED:
        yield Check(f"channels last: {name}", lambda d, n=name: network(d, small(n), LAYOUT[d == "cpu"]), 1e-4, 5e-3)
    for name in FORMED if device.startswith("cuda") else ():
        yield Check(f"compiled: {name}", lambda d, n=name: network(d, small(n), compiled=d != "cpu"), 1e-4, 5e-3)


def checks(device: str) -> list[Check]:
    """All of them, in order of worth."""
    return [*operators(), *models(), *crf(), *runs(), *forms(device)]
