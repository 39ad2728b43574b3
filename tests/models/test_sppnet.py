"""SPPNet: a vector of one length from any size, the paper's counts, views and regions from one map."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch.export import Dim

import segkit
from segkit.analysis import cost
from segkit.models import SPPNet, available, create, load, save
from segkit.models.windows import cells_inside, five_views
from tests.benchmarks import bench_regions
from tests.benchmarks.bench_regions import Way
from tests.models.common import CLASSES, CLASSIFIERS, Case
from tests.onnx_session import onnx_session

every_case = pytest.mark.parametrize("case", CLASSIFIERS, ids=str)


def paper(**options):
    with torch.device("meta"):
        return create("sppnet", 1000, **options)


def small(**options):
    torch.manual_seed(0)
    return SPPNet(4, **{"base": "small", "width": 4, "batch_norm": True, "bins": (3, 2, 1), **options})


def count(model):
    return sum(p.numel() for p in model.parameters())


def test_twelve_thousand_eight_hundred_numbers_from_any_size():
    model = paper().eval()
    for size in ((224, 224), (180, 180), (97, 301)):
        assert model(torch.zeros(2, 3, *size, device="meta"), outputs=True)["vector"].shape == (2, 12_800)


def test_parameters_at_the_papers_size():
    """Five convolutions, then 4096, 4096, 1000; 30 bins have fewer weights than no pyramid, as Table 2 says."""
    convolutions = 3_726_464
    assert count(paper().encoder) == convolutions
    sizes = {"spp": 12_800, "fixed": 6 * 6 * 256, "gap": 256}
    for head, length in sizes.items():
        assert count(paper(head=head)) == convolutions + (length + 1) * 4096 + 4097 * 4096 + 4097 * 1000, head
    assert count(paper()) == 77_037_672
    assert count(paper(bins=(4, 3, 2, 1))) < count(paper(head="fixed")) < count(paper())


def test_the_task_keeps_it_out_of_what_is_for_pixels():
    assert available("classification") == ["sppnet"] and "sppnet" not in available()
    assert set(available(None)) == {*available(), "sppnet"} and create("fcn8s", 2, width=2).task == "segmentation"
    with pytest.raises(ValueError, match="task='detection'; it takes 'segmentation', 'classification'"):
        available("detection")


@every_case
def test_any_size_both_engines_and_saving(case: Case, tmp_path) -> None:
    model = case.lively().double().eval()
    ((_, length),) = case.maps.values()
    for size in ((1, 1), (7, 90), (33, 47), (64, 64)):
        x = torch.randn(2, case.channels, *size, dtype=torch.float64, requires_grad=True)
        found = []
        for engine in ("native", "scratch"):
            with segkit.use_engine(engine):
                out = model(x, outputs=True)
                found.append([out["logits"], *torch.autograd.grad(out["logits"].square().sum(), x)])
        assert found[0][0].shape == (2, CLASSES) and out["vector"].shape == (2, length)
        torch.testing.assert_close(*found, rtol=1e-9, atol=1e-12)
    model = case.lively().eval()
    back, x = load(save(model, tmp_path / "a.safetensors")), torch.randn(2, case.channels, 30, 41)
    assert back.config == model.config and torch.equal(back(x), model(x))


def test_it_compiles_and_exports_for_any_size() -> None:
    case = CLASSIFIERS[1]
    model, x = case.lively().eval().requires_grad_(False), torch.randn(2, 3, 64, 96)
    torch._dynamo.reset()
    assert torch.equal(torch.compile(model, fullgraph=True, backend="eager")(x), model(x))
    torch._dynamo.reset()
    program = torch.export.export(model, (x,), dynamic_shapes=({0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC},))
    pytest.importorskip("onnxscript", reason="ONNX needs the test extra: onnx, onnxscript, onnxruntime")
    onnx = torch.onnx.export(program, dynamo=True, verbose=False).model_proto.SerializeToString()
    session = onnx_session(onnx)
    for size in ((2, 64, 96), (3, 75, 41)):
        x = torch.randn(size[0], 3, *size[1:])
        torch.testing.assert_close(program.module()(x), model(x), rtol=0, atol=1e-6)
        (theirs,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        torch.testing.assert_close(torch.from_numpy(theirs), model(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("head", ["spp", "gap", "fixed"])
def test_it_learns_with_sizes_that_alternate(head: str) -> None:
    """Bright left or bright right; by turns at 40 and 48 pixels, which the fixed head cannot take."""
    model = small(head=head, dropout=0.0)
    optimiser, losses = torch.optim.AdamW(model.parameters(), 1e-2), []
    for step in range(24):
        side = (48, 40)[step % 2] if head != "fixed" else 48
        labels = torch.arange(8) % 2
        x = torch.randn(8, 3, side, side)
        x[:, :, : side // 2] += 2 * labels[:, None, None, None]
        loss = F.cross_entropy(model(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-4:]) < 0.4 * sum(losses[:4])
    if head == "fixed":
        with pytest.raises(ValueError, match=r"head='fixed' got 5×5 cells.*48×48 pixels, 6×6 cells"):
            model(torch.randn(2, 3, 40, 40))
        assert model.eval()(torch.randn(1, 3, 47, 41)).shape == (1, 4), "as many cells: taken"


def test_cells_of_a_window_are_those_that_stand_in_it() -> None:
    """Against all windows of an axis, one by one."""
    for stride, n in itertools.product((8, 16), (33, 40)):
        cells = -(-n // stride)
        assert cells_inside(0, n, stride, cells) == slice(0, cells)
        for begin, end in itertools.combinations(range(n + 1), 2):
            inside = [i for i in range(cells) if begin <= i * stride < end]
            found = list(range(cells))[cells_inside(begin, end, stride, cells)]
            if inside:
                left, right = (begin - 0.5) // stride + 1, -(-(end - 0.5) // stride) - 1  # the paper's, at its edges
                assert found == inside and (left, min(right, cells - 1)) == (inside[0], inside[-1])
            else:
                assert len(found) == 1
                assert abs(found[0] * stride - (begin + end - 1) / 2) <= stride / 2 or found[0] == cells - 1


def test_one_region_that_is_the_picture_has_the_pictures_scores() -> None:
    model, x = small().eval(), torch.randn(1, 3, 70, 90)
    boxes = [(0, 0, 70, 90), (8, 16, 56, 88), (3, 3, 5, 4)]
    found = model.regions(x, boxes)
    torch.testing.assert_close(found[:1], model(x))
    part = model.encoder(x)[-1][..., 1:7, 2:11]
    torch.testing.assert_close(found[1:2], model.classifier(model.describe(part)))
    assert found.shape == (3, 4) and model.regions(x, []).shape == (0, 4)
    one_by_one = model.regions_one_by_one(x, boxes, 48)
    torch.testing.assert_close(one_by_one[1:2], model(F.interpolate(x[..., 8:56, 16:88], (48, 48), mode="bilinear")))
    assert model.regions_one_by_one(x, [], 48).shape == (0, 4)


def test_regions_from_one_pass_cost_what_one_pass_costs() -> None:
    """Multiply-adds: the convolutions once, and the fully connected layers for each region; R-CNN pays for both."""
    model, boxes = small().eval(), [(8 * i, 8, 8 * i + 60, 100) for i in range(10)]
    x = torch.zeros(1, 3, 160, 200)
    shared, apart = (cost(Way(model, *way), x) for way in (("regions", boxes), ("regions_one_by_one", boxes, 48)))
    whole, crop = cost(model, (160, 200)), cost(model, (48, 48))
    layers = [f"model.classifier.{i}" for i in (0, 3)]
    assert shared.inside("model.encoder").macs == whole.inside("encoder").macs
    assert shared.inside(*layers).macs == 10 * whole.inside("classifier").macs
    assert apart.macs == 10 * crop.macs


def test_the_benchmark_of_regions_runs(capsys) -> None:
    small_ones = ["--width", "2", "--size", "40", "60", "--crop", "48", "--repeats", "1"]
    bench_regions.main([*small_ones, "--regions", "2", "5"])
    assert len(capsys.readouterr().out.splitlines()) == 4
    for top, left, bottom, right in bench_regions.windows(50, 40, 60):
        assert 0 <= top < bottom <= 40 and 0 <= left < right <= 60


def test_ten_views() -> None:
    model, x = small().eval(), torch.randn(2, 3, 64, 80)
    apart, shared = (model.views(x, 48, shared=shared) for shared in (False, True))
    assert apart.shape == shared.shape == (2, 10, 4)
    torch.testing.assert_close(apart[:, 3], model(x[..., 16:, 32:]))
    torch.testing.assert_close(apart[:, 5], model(x.flip(-1)[..., :48, :48]))
    first = model.encoder(x)[-1][..., :6, :6]
    torch.testing.assert_close(shared[:, 0], model.classifier(model.describe(first)))
    assert five_views(64, 80, (48, 48))[-1] == (8, 16, 56, 64)
    torch.testing.assert_close(model.views(x, (64, 80))[:, 0], model(x))
    with pytest.raises(ValueError, match=r"views of 96×96 do not fit a picture of 64×80"):
        model.views(x, 96)


def test_bad_arguments_are_named() -> None:
    for wrong, message in (
        ({"base": "vgg"}, "base='vgg'; it takes 'zf5', 'small'"),
        ({"head": "flat"}, "head='flat'"),
        ({"bins": ()}, "no bins"),
        ({"bins": (0,)}, "bins=0"),
        ({"width": 0}, "width=0"),
        ({"hidden": 2.5}, "hidden=2.5"),
        ({"base": "zf5", "head": "fixed", "size": 24}, "too small for a fixed head; give at least 33"),
    ):
        with pytest.raises(ValueError, match=message):
            small(**wrong)
    model = small()
    with pytest.raises(ValueError, match="2 pictures; it takes one"):
        model.regions(torch.zeros(2, 3, 8, 8), [])
    for box in ((0, 0, 9, 8), (4, 4, 4, 8), (-1, 0, 8, 8)):
        with pytest.raises(ValueError, match="inside the picture"):
            model.eval().regions(torch.zeros(1, 3, 8, 8), [box])
    model.train()(torch.zeros(1, 3, 8, 8))  # one cell after the last pooling, which is after the last BatchNorm
    last = create("sppnet", 3, base="zf5", width=2, hidden=4, batch_norm=True).train()
    with pytest.raises(ValueError, match=r"SPPNet's encoder, at 16×16 pixels, pools one picture to one cell"):
        last(torch.zeros(1, 3, 16, 16))
