"""What holds for every model under torch's compilers: torch.compile in one piece, torch.export and ONNX for any size.

The sizes of pictures are open in every exported program: none of the models has to be made for one size. What stays out
are pictures so small that some map has a single row or column (torch makes that a program of its own).
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

import segkit
from segkit.encoders.resnet import ResNetEncoder
from segkit.layers.borders import last_again, mirrored
from segkit.models import available, create
from tests.models.clear import ROUNDING, clear_cut
from tests.models.common import CASES, CLASSES, Case
from tests.onnx_session import onnx_session

WIDE = [case for case in CASES if case.side]  # the narrowest have no layers that these have not
# the first case of each name, and those that begin or go up in another way
ROUTES = (
    "alexnet",
    "upsampling=bilinear",
    "same up=transposed skip=concat",
    "head=bilinear output_stride=8 hdc=bigger",
    "rates=fov msc=True",
    "shufflenet decoder=unet dropout=0.0",
    "mobilenet_v1 decoder=dilation",
)
FIRST = {case.name: case for case in reversed(CASES)}
SIZES = ("width", "hidden", "in_channels")  # numbers of channels, which no branch asks for
EXPORTED = [case for case in WIDE if case is FIRST[case.name] or str(case).endswith(ROUTES)]


def choices(case: Case) -> set[tuple[str, str, str]]:
    """Options and their values; an encoder is the same code under every model."""
    own = {key: repr(value) for key, value in case.options.items() if key not in SIZES}
    return {("" if key == "encoder" else case.name, key, value) for key, value in own.items()}


def every_choice(cases: list[Case]) -> list[Case]:
    """The first case of each name, and as few others as are needed for every value of every option."""
    chosen = [case for case in cases if case is FIRST[case.name]]
    left = set().union(*map(choices, cases)).difference(*map(choices, chosen))
    while left:
        chosen.append(max(cases, key=lambda case: len(choices(case) & left)))
        left -= choices(chosen[-1])
    return [case for case in cases if case in chosen]


COMPILED = every_choice(WIDE)
WHOLE = FIRST["hrnet"], next(case for case in EXPORTED if case.options.get("encoder") == "resnet18")  # encoders whole
# Under torch 2.6 and 2.7 torch.export follows no `get_submodule`, and the writer of ONNX refuses a padding, an
# enlargement or an unpooling of open size. From 2.8 on they are tried; 2.15 is what was seen to work.
OLD = tuple(int(n) for n in torch.__version__.split(".")[:2]) < (2, 8)
TRACED, OTHERS = (2, 64, 96), ((3, 75, 41), (1, 96, 64))  # batch, height, width


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.fixture(scope="module", autouse=True)
def one_library() -> Iterator[None]:
    """At every export torch reads the sources of some 500 operators for ONNX; here it reads them once."""
    try:
        from torch.onnx._internal.exporter._registration import ONNXRegistry

        read = ONNXRegistry.from_torchlib
    except (ImportError, AttributeError):  # another torch has it elsewhere, and takes its time
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(functools.cache(read)))
        yield


def pictures(case: Case, batch: int, height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(height)
    return torch.randn(batch, case.channels, height, width, generator=generator)


def clear_pictures(case: Case, model: nn.Module, batch: int, height: int, width: int) -> Tensor:
    """The first on which no rank hangs on the last digits, where the network ranks places."""
    if case.clear is None:
        return pictures(case, batch, height, width)
    found = [x for x in pictures(case, 16 * batch, height, width).split(1) if case.clear(model, x)]
    return torch.cat(found[:batch])


def rounding(case: Case, model: nn.Module, x: Tensor, logits: Tensor) -> float:
    """How far two calculations in float32 may be apart: 1e-5 of the largest score.

    Where BatchNorms are settled, each takes a mean away and divides by what is left, and so loses digits, one layer
    after the other. There it may be twice what torch itself is off float64's answer, where that is more: as far as
    torch is on one side of it, another calculation may be on the other side.
    """
    usual = ROUNDING * float(logits.abs().max())
    if not case.settled:
        return usual
    exact = copy.deepcopy(model).double()(x.double())
    return max(usual, 2 * float((logits - exact).abs().max()))


def sized(case: Case, size: tuple[int, int, int]) -> tuple[int, int, int]:
    """Batch, height and width, as much larger as this case's coarsest map asks for."""
    return size[0], size[1] + case.beyond, size[2] + case.beyond


def on_fewer_blocks(case: Case, model: nn.Module) -> nn.Module:
    """The model without repetitions: where blocks in a row are the same, the first of them alone.

    Each more would be the same code again. The encoders that most models have are whole under one of them; under the
    others each stage of a ResNet-18 has its first block alone.
    """
    for part in list(model.modules()) if case not in WHOLE else ():
        if isinstance(part, ResNetEncoder) and case.options.get("encoder") == "resnet18":
            for stage in part.stages:
                del stage[1:]
        elif not hasattr(part, "ends"):  # numbers of layers, whose outputs are asked for
            for row in (row for row in part.children() if isinstance(row, nn.Sequential)):
                for place in range(len(row) - 1, 0, -1):  # a stride is no repetition: each halves the map again
                    if repr(row[place]) == repr(row[place - 1]) and "stride=(2" not in repr(row[place]):
                        del row[place]
    return model


@pytest.mark.parametrize("case", COMPILED, ids=str)
def test_it_compiles_in_one_piece_for_any_batch(case: Case) -> None:
    """Logits equal to the last bit, and one compilation does for two batches; its numbers come out of arrays."""
    model = on_fewer_blocks(case, case.lively(np.int64).eval())
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    x = pictures(case, 2, 33, 47)
    torch._dynamo.mark_dynamic(x, 0)
    with torch.no_grad():
        assert torch.equal(compiled(x), model(x))
        more = pictures(case, 3, 33, 47)
        with torch.compiler.set_stance("fail_on_recompile"):
            assert torch.equal(compiled(more), model(more))


def exported(case: Case) -> tuple[nn.Module, ExportedProgram]:
    """The model in evaluation, and its program with batch, height and width left open."""
    model = on_fewer_blocks(case, case.lively().eval().requires_grad_(False))
    sizes = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}  # DYNAMIC raises where tracing fixes one
    return model, torch.export.export(model, (pictures(case, *sized(case, TRACED)),), dynamic_shapes=(sizes,))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("case", EXPORTED, ids=str)
def test_export_and_onnx_take_any_size(case: Case) -> None:
    """One program, its ONNX form run by onnxruntime, at sizes and batches that were not traced."""
    if OLD:
        pytest.skip(f"torch before 2.8 exports no network of open sizes; this is {torch.__version__}")
    pytest.importorskip("onnxscript", reason="ONNX needs the test extra: onnx, onnxscript, onnxruntime")
    model, program = exported(case)
    again, onnx = program.module(), torch.onnx.export(program, dynamo=True, verbose=False)
    session = onnx_session(onnx.model_proto.SerializeToString())
    (given,) = session.get_inputs()
    assert [n for n in given.shape if isinstance(n, int)] == [case.channels], "only the channels are fixed"
    for size in (sized(case, size) for size in (TRACED, *OTHERS)):
        x = clear_pictures(case, model, *size)
        logits = model(x)
        assert logits.shape == (size[0], CLASSES, *size[1:])
        torch.testing.assert_close(again(x), logits, rtol=0, atol=1e-6 * float(logits.abs().max()))
        (theirs,) = session.run(None, {given.name: x.numpy()})
        torch.testing.assert_close(torch.from_numpy(theirs), logits, rtol=0, atol=rounding(case, model, x, logits))


def test_pictures_with_equal_places_are_not_clear() -> None:
    """On a picture of one colour the inner places are all as uncertain as each other; others are found beside it."""
    case = FIRST["pointrend"]
    model = case.lively().eval().requires_grad_(False)
    assert not clear_cut(model, torch.zeros(1, 3, *TRACED[1:]))
    for size in (TRACED, *OTHERS):
        assert clear_cut(model, clear_pictures(case, model, *size))


def test_every_choice_of_every_model_is_compiled() -> None:
    assert {case.name for case in COMPILED} == set(available())
    assert set().union(*map(choices, COMPILED)) == set().union(*map(choices, WIDE)) and len(COMPILED) < len(WIDE)
    up = [str(case) for case in COMPILED if case.name == "segnet"]
    assert len([name for name in up if "upsampling" in name]) == 4


def test_every_model_is_exported() -> None:
    assert {case.name for case in EXPORTED} == set(available())
    assert all(any(str(case).endswith(route) for case in EXPORTED) for route in ROUTES)


def test_an_encoder_that_is_cut_is_once_whole() -> None:
    """HRNet's and ResNet-18's; under another model they are cut, and give maps of the same sizes."""
    for whole, cut in zip(WHOLE, (FIRST["hrnet_ocr"], FIRST["pspnet"]), strict=True):
        assert whole in COMPILED and whole in EXPORTED and cut in EXPORTED
        as_is, again = whole.lively(), cut.lively()
        assert str(on_fewer_blocks(whole, whole.lively())) == str(as_is)
        fewer = on_fewer_blocks(cut, cut.lively()).eval()
        assert len(list(fewer.modules())) < 0.8 * len(list(again.modules()))
        x = pictures(cut, 1, 96, 64)
        assert {k: v.shape for k, v in fewer.outputs(x).items()} == {
            k: v.shape for k, v in again.eval().outputs(x).items()
        }


@pytest.mark.parametrize("name", ["fcn8s", "unet"])
def test_a_compiled_model_follows_the_engine(name: str) -> None:
    """Under the engine of now, not of its compilation: to the last bit that of the model as it is."""
    model, x = FIRST[name].lively().eval(), pictures(FIRST[name], 2, 33, 47)
    compiled = torch.compile(model, backend="eager")
    with torch.no_grad():
        for engine in ("native", "scratch", "native"):
            with segkit.use_engine(engine):
                assert torch.equal(compiled(x), model(x)), engine
        native = model(x)
        with segkit.use_engine("scratch"):
            assert not torch.equal(model(x), native), "the engines round alike here: the test sees nothing"


@pytest.fixture
def inductor() -> None:
    """Skip where there is no C++ compiler, or no headers of Python."""
    try:
        torch.compile(lambda x: x + 1)(torch.ones(1))
    except Exception as error:  # of whatever kind
        pytest.skip(f"inductor does not work here: {type(error).__name__} {error}")


@pytest.mark.usefixtures("inductor")
def test_compiled_by_inductor_it_trains_the_same() -> None:
    """The logits and gradients of a training step of a small U-Net, in float64."""
    model = create("unet", CLASSES, width=2, levels=2, padding="same", dropout=0.0).double()
    x, target = torch.randn(2, 3, 9, 13, dtype=torch.float64), torch.arange(2 * 9 * 13).view(2, 9, 13) % CLASSES
    outcomes = []
    for net in (model, torch.compile(copy.deepcopy(model), fullgraph=True)):
        logits = net(x)
        loss = F.cross_entropy(logits, target)
        outcomes.append([logits.detach(), *torch.autograd.grad(loss, list(net.parameters()))])
    torch.testing.assert_close(*outcomes, rtol=1e-7, atol=1e-9)


@pytest.mark.usefixtures("inductor")
def test_inductor_continues_borders_channels_last() -> None:
    """Where it made strides wrong (the gradient of padding) and lost its way (a remainder): a training step of both."""

    def bordered(x: Tensor) -> Tensor:
        return last_again(mirrored(2 * x, 92, 95, 92, 95)).square()

    x = torch.rand(2, 3, 192, 256).to(memory_format=torch.channels_last).requires_grad_()
    outcomes = []
    for function in (bordered, torch.compile(bordered, fullgraph=True)):
        found = function(x)
        outcomes.append((found.detach(), *torch.autograd.grad(found.sum(), x)))
    torch.testing.assert_close(*outcomes)
