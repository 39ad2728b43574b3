"""The networks of borders: their counts at the papers' size, and what each block is without what its paper adds."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from segkit.analysis import cost
from segkit.data import Batch
from segkit.heads import enlarge_from_corners
from segkit.models import create
from segkit.models.decouple import BodyEdge, moved
from segkit.models.pointrend import PointRend, read_at, uncertainty
from segkit.training import Recipe, cross_entropy, edge_loss
from segkit.training.objective import objective
from segkit.training.points import labels_at


def same(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def small(name: str, **options: object) -> tuple[nn.Module, Tensor]:
    """The model at a course's size, in float64 and evaluation, and a picture of odd size."""
    torch.manual_seed(0)
    model = create(name, 5, **options)
    if name == "hmsa":  # in a fresh HRNet values grow until every softmax is one-hot
        update_bn([torch.randn(4, 3, 65, 97)], model)
    return model.double().eval(), torch.rand(2, 3, 41, 58, dtype=torch.float64)


def weights(model: nn.Module, kind: type[nn.Module] = nn.Module) -> int:
    return sum(p.numel() for m in model.modules() if isinstance(m, kind) for p in m.parameters(recurse=False))


# PointRend ------------------------------------------------------------------------------------------------------------


def test_pointrend_at_the_papers_size() -> None:
    """In the authors' network the numbers of BatchNorm are constants."""
    with torch.device("meta"):
        model = create("pointrend", 19)
    assert weights(model.head) == 207_123
    assert weights(model) - weights(model, nn.BatchNorm2d) == 47_572_582
    assert weights(model.encoder) == 42_500_160, "torchvision's ResNet-101 without its last layer"


def test_a_point_is_read_from_the_four_cells_around_it() -> None:
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64)
    places = torch.tensor([[[6.0, 9.0], [16.0, 12.0], [19.0, 3.0], [0.0, 15.0]]], dtype=torch.float64)  # (x, y)
    told = read_at(x, 4, places)[0, :, :, 0]
    by_hand = 0.5 * (0.75 * x[0, :, 2, 1] + 0.25 * x[0, :, 3, 1] + 0.75 * x[0, :, 2, 2] + 0.25 * x[0, :, 3, 2])
    same(told[:, 0], by_hand)
    same(told[:, 1], x[0, :, 3, 4])
    same(told[:, 2], 0.25 * x[0, :, 0, 4] + 0.75 * x[0, :, 1, 4])  # after the last cell: constant
    same(told[:, 3], x[0, :, 3, 0])


class Repeats(nn.Module):
    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        return coarse


def test_all_points_are_a_dense_network_and_a_head_with_nothing_to_add_leaves_enlarged_scores() -> None:
    """The dense one from plain products, at each pixel, on what the enlarged maps say; and a head that repeats them."""
    model, x = small("pointrend", encoder="resnet18", width=8, points=10**6)
    with torch.no_grad():
        found, fine = model.outputs(x), model.pyramid(model.encoder(x)[1:])[0]
        wide = [enlarge_from_corners(m, 4)[..., :41, :58] for m in (fine, found["score"])]
        dense = torch.cat(wide, 1)
        for layer, least in (*((step[0], 0.0) for step in model.head.layers), (model.head.score, -math.inf)):
            dense = torch.einsum("oi,nihw->nohw", layer.weight[..., 0, 0], dense) + layer.bias[:, None, None]
            dense = dense.clamp_min(least)
        same(found["logits"], dense)
        assert found["points"].shape == (2, 2, 41 * 58, 1)
        model.points, model.head = 50, Repeats()
        same(model(x), wide[1])
        assert not torch.allclose(wide[1], dense)


def test_only_the_most_uncertain_points_are_asked() -> None:
    """Those whose two best classes are closest, at the last step, and nowhere else but where the first step asked."""
    model, x = small("pointrend", encoder="resnet18", width=8, points=20)
    with torch.no_grad():
        found = model.outputs(x)
        asked = torch.zeros(2, 41, 58, dtype=torch.bool)
        for n in range(2):
            across, down = found["points"][n, :, :, 0].long()
            asked[n, down, across] = True
            same(found["logits"][n, :, down, across], found["point_scores"][n, :, :, 0])
        plain = enlarge_from_corners(found["score"], 4)[..., :41, :58]
        moved = ((found["logits"] - plain).abs().amax(1) > 1e-12) & ~asked
    assert asked.sum() == 40 and moved.sum() <= 2 * 20 * 9, "a pixel of the first step bends eight around it"
    top = plain.softmax(1).log().topk(2, 1).values
    same(uncertainty(plain), top[:, 1] - top[:, 0])
    doubt = uncertainty(plain)[~moved]
    still = asked[~moved]
    assert doubt[still].mean() > doubt[~still].mean()


def test_points_of_training_are_where_it_is_uncertain() -> None:
    """Three quarters of them the most uncertain of three times as many; a loss reads the labels there."""
    model, x = small("pointrend", encoder="resnet18", width=8, train_points=400)
    assert isinstance(model, PointRend)
    model.train()
    found = model.outputs(x)
    points = found["points"]
    assert points.shape == (2, 2, 400, 1) and (points[:, 0] < 58).all() and (points[:, 1] < 41).all()
    doubt = uncertainty(read_at(found["score"], 4, points[..., 0].mT))[..., 0]
    anywhere = uncertainty(found["logits"]).mean()
    assert doubt[:, :300].mean() > anywhere and abs(doubt[:, 300:].mean() - anywhere) < doubt[:, :300].mean() - anywhere
    labels = torch.randint(0, 5, (2, 41, 58))
    there = labels_at(labels, points)
    across, down = points[1, :, 7, 0].tolist()
    assert there.shape == (2, 400, 1) and there[1, 7, 0] == labels[1, round(down), round(across)]
    torch.manual_seed(3)
    told = objective(Recipe(aux={"point_scores": 2.0}))(model, Batch(x, labels))
    torch.manual_seed(3)
    found = model.outputs(x)
    at_points = F.cross_entropy(found["point_scores"][..., 0], labels_at(labels, found["points"])[..., 0])
    torch.testing.assert_close(told, cross_entropy(found["logits"], labels) + 2 * at_points)


def test_one_class_has_no_second() -> None:
    same(uncertainty(torch.tensor([[[[0.5, -2.0]]]])), torch.tensor([[[-0.5, -2.0]]]))
    with pytest.raises(ValueError, match="points=0"):
        create("pointrend", 2, encoder="resnet18", width=4, points=0)


# HMSA -----------------------------------------------------------------------------------------------------------------


class Constant(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        return torch.full_like(x[:, :1], self.value)


def test_hmsa_at_the_papers_size() -> None:
    with torch.device("meta"):
        model = create("hmsa", 19)
    assert weights(model) == 72_143_430 and weights(model.alpha) == 1_770_752


@pytest.mark.parametrize("scales", [(0.5, 1.0), (0.25, 0.5, 1.0, 2.0), (1.0,)])
def test_alpha_of_0_and_1_selects_a_scale(scales: tuple[float, ...]) -> None:
    """1: the coarsest is believed in everything; 0: only the finest is left. At any number of scales, one's own too."""
    model, x = small("hmsa", base=18, width=8)
    model = model.at_scales(scales)
    named = [f"scale_{scale:g}" for scale in scales]
    with torch.no_grad():
        for value, left in ((1.0, named[0]), (0.0, named[-1])):
            model.alpha = Constant(value)
            found = model.outputs(x)
            assert list(found) == ["logits", "aux", *named, *(f"alpha_{scale:g}" for scale in scales[:-1])]
            same(found["logits"], found[left])


def test_a_pair_of_scales_is_a_mean_weighed_at_each_pixel_and_any_chain_has_its_weights() -> None:
    """By hand, in torch's own words: each scale is the network without attention on a resized picture."""
    model, x = small("hmsa", base=18, width=8)
    alone = create("hrnet_ocr", 5, base=18, width=8).double().eval()
    alone.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("alpha.")})

    def resized(x: Tensor, *size: int) -> Tensor:
        return F.interpolate(x, size, mode="bilinear", align_corners=True)

    with torch.no_grad():
        low = resized(x, 21, 30)  # half as far from the first pixel to the last, rounded
        p_low, p_high = alone(low), alone(x)
        alpha = model.alpha(alone.heard(low)[1])
        alpha = enlarge_from_corners(alpha, 4)[..., :21, :30]
        same(model(x), resized(alpha * p_low, 41, 58) + (1 - resized(alpha, 41, 58)) * p_high)
        three = model.at_scales((1, 0.5, 2))
        assert three.config["scales"] == [0.5, 1.0, 2.0] and not three.training
        assert all(torch.equal(value, three.state_dict()[key]) for key, value in model.state_dict().items())
        p_double = alone(resized(x, 81, 115))
        own = enlarge_from_corners(model.alpha(alone.heard(x)[1]), 4)[..., :41, :58]
        p_high = own * p_high + (1 - own) * resized(p_double, 41, 58)
        same(three(x), resized(alpha * p_low, 41, 58) + (1 - resized(alpha, 41, 58)) * p_high)


def test_scales_are_what_was_given() -> None:
    model = create("hmsa", 2, base=18, width=8, scales=(0.501, 0.3333, 1.0))
    assert [str(scale) for scale in model.scales] == ["1/3", "501/1000", "1"]


def test_scales_that_do_not_go() -> None:
    for wrong in ((0.5,), (1.0, 1.0), (0.0, 1.0), (1.0, 99.0)):
        with pytest.raises(ValueError, match="HMSA got scales"):
            create("hmsa", 2, base=18, width=8, scales=wrong)


# DecoupleSegNets ------------------------------------------------------------------------------------------------------


def test_decouple_at_the_papers_size() -> None:
    """Against the same v3+ without body and edge: 40.47 million and 1517 · 10⁹, as its authors have it."""
    with torch.device("meta"):
        model = create("decouple", 19).eval()
        plain = create("deeplab_v3plus", 19, encoder="resnet50", output_stride=8, separable="none",
                       encoder_options={"stem": "deep"})  # fmt: skip
        found = cost(model, (3, 1024, 2048))
    assert found.parameters == 41_753_680 and abs(found.macs / 1e9 - 1624) < 1
    assert weights(plain) - 2 * (256 + 48) == 40_474_835, "BatchNorm after pyramid and low-level map left out"


def test_body_and_edge_are_the_map_and_without_flow_all_is_body() -> None:
    torch.manual_seed(0)
    block, x = BodyEdge(6).double().eval(), torch.randn(2, 6, 9, 7, dtype=torch.float64)
    with torch.no_grad():
        body, edge = block(x)
        same(body + edge, x)
        assert edge.abs().max() > 1e-3
        nn.init.zeros_(block.flow.weight)
        body, edge = block(x)
        same(body, x)


@pytest.mark.parametrize("size", [(5, 7), (1, 6), (6, 1)])
def test_a_flow_is_counted_in_cells(size: tuple[int, int]) -> None:
    """One to the right is the right neighbour, half is a mean of two; beyond the map there is nothing."""
    x = torch.randn(1, 2, *size, dtype=torch.float64)
    wide = F.pad(x, (1, 1, 1, 1))

    def flow(right: float, down: float) -> Tensor:
        return torch.tensor([right, down]).double().view(1, 2, 1, 1).expand(1, 2, *size)

    same(moved(x, flow(0, 0)), x)
    same(moved(x, flow(1, 0)), wide[..., 1:-1, 2:])
    same(moved(x, flow(0, -1)), wide[..., :-2, 1:-1])
    same(moved(x, flow(0.5, 0)), (x + wide[..., 1:-1, 2:]) / 2)


def test_a_grid_of_the_authors_moves_the_map_though_its_flow_is_zero() -> None:
    """It ends at the last cells' centres; read as the map's outer edges, all cells look outwards."""
    x = torch.randn(1, 2, 5, 7, dtype=torch.float64)
    rows, columns = (torch.linspace(-1, 1, n, dtype=torch.float64) for n in (5, 7))
    grid = torch.stack([columns.expand(5, 7), rows[:, None].expand(5, 7)], -1)[None]
    same(F.grid_sample(x, grid, align_corners=True), x)
    assert not torch.allclose(F.grid_sample(x, grid, align_corners=False), x, atol=0.1)


def test_a_recipe_weighs_body_and_edge() -> None:
    model, x = small("decouple", encoder="resnet18", width=4)
    labels = torch.randint(0, 5, (2, 41, 58))
    labels[:, :20] = 255
    found = model.outputs(x)
    body, edge = (enlarge_from_corners(found[name], s)[..., :41, :58] for name, s in (("body", 8), ("edge", 4)))
    expected = sum((cross_entropy(found["logits"], labels), cross_entropy(body, labels), 20 * edge_loss(edge, labels)))
    torch.testing.assert_close(objective(Recipe(aux={"body": 1.0, "edge": 20.0}))(model, Batch(x, labels)), expected)


def test_edges_weigh_as_much_as_all_else() -> None:
    """Of nine pixels known, three at an edge: a network that says nothing pays 2 · 3 · 6 / 9² · log 2."""
    labels = torch.tensor([[[0, 0, 0, 0, 1, 255], [0, 0, 0, 0, 255, 255]]])
    scores = torch.zeros(1, 1, 2, 6, dtype=torch.float64)
    same(edge_loss(scores, labels), torch.tensor(36 / 81 * math.log(2), dtype=torch.float64))
    edge = torch.tensor([[0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 0, 0]]).double()
    assert edge_loss(40 * (2 * edge - 1)[None, None], labels) < 1e-12
    assert edge_loss(scores, torch.full_like(labels, 255)) == 0
    for wrong in (scores[:, 0], scores[..., :3]):
        with pytest.raises(ValueError, match="edge_loss got scores"):
            edge_loss(wrong, labels)
    with pytest.raises(TypeError, match="edge_loss got scores of torch"):
        edge_loss(scores.long(), labels)
