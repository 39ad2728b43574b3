"""The permutohedral lattice: its matrices, its geometry against definitions, its filter against all pairs."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from segkit.crf import BruteForceFilter, PermutohedralLattice, bilateral_features, brute_force, position_features
from segkit.crf.corners import strides
from segkit.crf.simplex import barycentric, elevate, enclosing_simplex

NORMALIZATIONS = ["none", "before", "after", "symmetric"]


def cloud(N: int = 60, d: int = 3, seed: int = 0, spread: float = 1.0) -> Tensor:
    return spread * torch.randn(N, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_dictionary(features: Tensor, values: Tensor) -> Tensor:
    """The filter written out for one point at a time, with tuples of whole numbers as keys."""
    d = features.shape[1]
    n = d + 1
    corners: list[list[tuple[tuple[int, ...], float]]] = []
    for f in features.double().tolist():
        y = [0.0] * n
        for i in range(d):
            s = math.sqrt(2 / 3) * n / math.sqrt((i + 1) * (i + 2)) * f[i]
            for j in range(i + 1):
                y[j] += s
            y[i + 1] -= (i + 1) * s
        near = [n * round(c / n) for c in y]
        order = sorted(range(n), key=lambda j: near[j] - y[j])  # largest remainder first
        off = sum(near) // n
        for j in order[: -off if off < 0 else 0]:
            near[j] += n
        for j in order[n - off :] if off > 0 else []:
            near[j] -= n
        assert sum(near) == 0
        order = sorted(range(n), key=lambda j: near[j] - y[j])
        t = [(y[j] - near[j]) / n for j in order]  # from large to small
        mine = []
        for r in range(n):
            low = set(order[n - r :])  # rank > d − r
            weight = t[n - 1 - r] - t[n - r] if r else 1 + t[n - 1] - t[0]
            mine.append((tuple(near[j] + r - (n if j in low else 0) for j in range(n)), weight))
        corners.append(mine)
    table: dict[tuple[int, ...], Tensor] = {}
    for mine, value in zip(corners, values, strict=True):
        for key, weight in mine:
            table[key] = table.get(key, torch.zeros_like(value)) + weight * value
    nought = torch.zeros_like(values[0])
    for axis in range(n):
        plus = [1 - n * (j == axis) for j in range(n)]
        near = {key: [tuple(c + sign * p for c, p in zip(key, plus, strict=True)) for sign in (1, -1)] for key in table}
        table = {
            key: value + (table.get(near[key][0], nought) + table.get(near[key][1], nought)) / 2
            for key, value in table.items()
        }
    return torch.stack([sum(w * table[key] for key, w in mine) for mine in corners]) / (1 + 2.0**-d)


@pytest.mark.parametrize("d", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("spread", [0.3, 3.0])
def test_it_is_what_a_table_of_corners_gives(d: int, spread: float) -> None:
    features, values = cloud(40, d, d, spread), torch.randn(40, 4, dtype=torch.float64)
    torch.testing.assert_close(PermutohedralLattice(features).filter(values), by_dictionary(features, values))


def test_more_dimensions_than_64_bits_hold() -> None:
    """20 dimensions: the keys are random sums, and the answer is the same."""
    features, values = cloud(30, 20, 1, 4.0), torch.randn(30, 2, dtype=torch.float64)
    assert math.prod([100] * 20) > 2**62
    torch.testing.assert_close(PermutohedralLattice(features).filter(values), by_dictionary(features, values))


def test_strides_tell_all_digits_apart() -> None:
    bounds = [[-2, 1], [0, 3], [5, 6]]
    s = strides(bounds)
    sums = {sum(c * int(k) for c, k in zip(digits, s, strict=True))
            for digits in itertools.product(range(-2, 2), range(4), range(5, 7))}  # fmt: skip
    assert len(sums) == 4 * 4 * 2


@pytest.mark.parametrize("d", [1, 2, 5])
def test_barycentric_weights_rebuild_the_point(d: int) -> None:
    x = elevate(cloud(500, d, 3, 2.0).t())
    v, rank = enclosing_simplex(x)
    b = barycentric(x, v)
    torch.testing.assert_close(x.sum(0), torch.zeros(500, dtype=torch.float64), atol=1e-10, rtol=0)
    assert (v.sum(0) == 0).all() and (rank.sort(0).values == torch.arange(d + 1)[:, None]).all()
    assert (b > -1e-12).all()
    torch.testing.assert_close(b.sum(0), torch.ones(500, dtype=torch.float64))
    r = torch.arange(d + 1)[:, None, None]
    corners = (d + 1) * v + r - (d + 1) * (rank > d - r)  # r, coordinate, point
    torch.testing.assert_close((b[:, None] * corners).sum(0), x)


def test_neighbours_are_symmetric_and_splat_is_the_transpose_of_slice() -> None:
    lattice = PermutohedralLattice(cloud(80, 3, 4, 0.7))
    for blur in lattice.blurs:
        matrix = blur.csr().to_dense()[:-1, :-1]  # the last stands for corners that do not exist
        torch.testing.assert_close(matrix, matrix.t(), rtol=0, atol=0)
        assert set(matrix.unique().tolist()) == {0.0, 0.5, 1.0}
    S, T = lattice.slice.csr().to_dense(), lattice.splat.csr().to_dense()
    torch.testing.assert_close(S * (1 + 2.0**-3), T.t())
    B = torch.linalg.multi_dot([b.csr().to_dense() for b in reversed(lattice.blurs)])
    values = torch.randn(80, 2, dtype=torch.float64)
    torch.testing.assert_close(lattice.filter(values), S @ B @ T @ values)
    assert "80 points in 3 dimensions" in repr(lattice)


@pytest.mark.parametrize("longest", [1, 3, 64])
def test_rows_cut_into_pieces_are_the_same_matrix(longest: int) -> None:
    """As they are where many rows are worked on at once; on one point with all the others far away, too."""
    for features in (cloud(500, 2, 6, 0.3), torch.zeros(200, 3, dtype=torch.float64), cloud(1, 5)):
        splat = PermutohedralLattice(features).splat
        cut = splat.cut(longest)
        assert cut.pieces is not None and int(cut.pieces.starts.diff().max()) <= longest
        values = torch.randn(len(features), 4, dtype=torch.float64)
        torch.testing.assert_close(cut @ values, splat @ values)
        assert torch.equal(cut.csr().to_dense(), splat.csr().to_dense())


def test_the_factor_it_is_short_of_a_gaussian_on_a_picture() -> None:
    """K·1 against the exact sums, on average over 48×60 pixels with a deviation of 3: 0.877."""
    features, ones = position_features(48, 60, 3, torch.ones(())), torch.ones(48 * 60)
    quotient = PermutohedralLattice(features).filter(ones) / brute_force(features, ones)
    assert abs(float(quotient.mean()) - 0.877) < 0.001


@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_factor_where_points_fill_space(d: int) -> None:
    """2^(2d+1)/(2^d + 1) · (3/4π)^(d/2) / √(d+1): what the corners weigh, by the room each of them has."""
    steps = {1: 4001, 2: 151, 3: 41}[d]
    line = torch.linspace(-10, 10, steps, dtype=torch.float64)
    features = torch.cartesian_prod(*[line] * d).view(-1, d)
    ones = torch.ones(len(features), dtype=torch.float64)
    inside = features.abs().amax(1) < 3
    ours = PermutohedralLattice(features).filter(ones)[inside].mean()
    exact = (2 * math.pi) ** (d / 2) * ((steps - 1) / 20) ** d
    expected = 2 ** (2 * d + 1) / (2**d + 1) * (3 / (4 * math.pi)) ** (d / 2) / math.sqrt(d + 1)
    assert abs(float(ours) / exact - expected) < 0.01


@pytest.mark.parametrize("normalization", NORMALIZATIONS[1:])
@pytest.mark.parametrize(("d", "limit"), [(2, 0.03), (5, 0.08)])
def test_normalised_it_is_near_the_exact_filter(d: int, limit: float, normalization: str) -> None:
    features = torch.rand(3000, d, generator=torch.Generator().manual_seed(6)) * 3
    values = torch.sin(features * torch.arange(1, d + 1)).cumsum(1)  # smooth, of size 1
    ours = PermutohedralLattice(features).normalized(normalization).filter(values)
    exact = brute_force(features, values, normalization)
    assert float((ours - exact).abs().mean() / exact.abs().mean()) < limit


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_normalisations_are_what_they_say(normalization: str) -> None:
    lattice = PermutohedralLattice(cloud(50, 2))
    eye = torch.eye(50, dtype=torch.float64)
    K = lattice.filter(eye)
    D = K.sum(1)
    expected = {"none": K, "before": K / D, "after": K / D[:, None], "symmetric": K / (D * D[:, None]).sqrt()}
    normal = lattice.normalized(normalization)
    torch.testing.assert_close(normal.filter(eye), expected[normalization])
    torch.testing.assert_close(normal.adjoint.filter(eye), expected[normalization].t())
    torch.testing.assert_close(normal.adjoint.adjoint.filter(eye), expected[normalization])
    if normalization == "after":
        torch.testing.assert_close(normal.filter(torch.ones(50, dtype=torch.float64)), eye.sum(0))


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_brute_force_is_the_definition(normalization: str) -> None:
    f, eye = cloud(12, 3), torch.eye(12, dtype=torch.float64)
    K = torch.tensor([[math.exp(-float(((a - b) ** 2).sum()) / 2) for b in f] for a in f], dtype=torch.float64)
    D = K.sum(1)
    expected = {"none": K, "before": K / D, "after": K / D[:, None], "symmetric": K / (D * D[:, None]).sqrt()}
    torch.testing.assert_close(BruteForceFilter(f, normalization).matrix, expected[normalization])
    torch.testing.assert_close(brute_force(f, eye[:, 3], normalization), expected[normalization][:, 3])


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_gradients(normalization: str) -> None:
    """First and second, against finite differences: exact for a linear map."""
    lattice = PermutohedralLattice(cloud(20, 2)).normalized(normalization)
    values = torch.randn(20, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lattice.filter, (values,))
    assert torch.autograd.gradgradcheck(lambda v: lattice.filter(v).square(), (values,))
    assert torch.autograd.gradcheck(lattice.filter, (values[:, 0].detach().requires_grad_(),))


def test_the_order_of_the_points_does_not_matter() -> None:
    features, values = cloud(400, 5, 7).float(), torch.randn(400, 6)
    mixed = torch.randperm(400)
    a, b = PermutohedralLattice(features), PermutohedralLattice(features[mixed])
    assert a.size == b.size
    torch.testing.assert_close(b.filter(values[mixed]), a.filter(values)[mixed], rtol=1e-5, atol=1e-5)


def test_memory_layout_and_types() -> None:
    features, values = cloud(30, 3).float(), torch.randn(30, 4)
    expected = PermutohedralLattice(features).filter(values)
    strided = torch.stack((features, -features), 2).flatten(1)[:, ::2]
    torch.testing.assert_close(PermutohedralLattice(strided).filter(values.t().contiguous().t()), expected)
    torch.testing.assert_close(PermutohedralLattice(features).filter(values.half()), expected, rtol=2e-3, atol=5e-3)
    assert PermutohedralLattice(features).filter(values.half()).dtype == torch.float32
    assert PermutohedralLattice(features).filter(values.double()).dtype == torch.float64
    whole = torch.randint(0, 5, (30, 2))
    torch.testing.assert_close(
        PermutohedralLattice(whole).filter(values), PermutohedralLattice(whole.float()).filter(values)
    )
    wanting = features.clone().requires_grad_()
    assert not PermutohedralLattice(wanting).filter(values).requires_grad  # the lattice is a constant


def test_one_point_and_equal_points() -> None:
    for N in (1, 7):
        lattice = PermutohedralLattice(torch.full((N, 5), 2.3)).normalized("symmetric")
        assert lattice.size == 6
        torch.testing.assert_close(lattice.filter(torch.ones(N, 2)), torch.ones(N, 2))


@pytest.mark.parametrize(
    ("features", "error", "words"),
    [
        (torch.zeros(4), ValueError, "N×d"),
        (torch.zeros(0, 3), ValueError, "at least 1"),
        (torch.zeros(3, 0), ValueError, "at least 1"),
        (torch.tensor([[float("nan")]]), ValueError, "NaN"),
        (torch.tensor([[3e6, 0.0], [0.0, 1.0]]), ValueError, "float64"),
        ([[1.0]], TypeError, "list"),
        (torch.zeros(2, 2, dtype=torch.complex64), TypeError, "complex"),
    ],
)
def test_features_it_refuses(features: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        PermutohedralLattice(features)  # type: ignore[arg-type]


def test_far_from_the_origin() -> None:
    """At 100,000 standard deviations float32 still finds each point's simplex, and float64 further out."""
    near, values = cloud(50, 2, 9), torch.rand(50, 3, dtype=torch.float64)
    exact = PermutohedralLattice(near + 1e5).filter(values)
    torch.testing.assert_close(exact, by_dictionary(near + 1e5, values))
    rough = PermutohedralLattice((near + 1e5).float()).filter(values)
    assert rough.isfinite().all() and float((rough - exact).abs().max()) < 0.1 * float(exact.max())
    torch.testing.assert_close(PermutohedralLattice(near + 1e9).filter(values), by_dictionary(near + 1e9, values))


def test_a_lattice_normalised_twice() -> None:
    """Its filter is that of the normalised one normalised, and the gradient its transpose."""
    features, x = cloud(20, 3), torch.randn(20, 2, dtype=torch.float64, requires_grad=True)
    for first, second in itertools.product(NORMALIZATIONS, repeat=2):
        once = PermutohedralLattice(features).normalized(first)
        twice = once.normalized(second)
        norm = once.filter(torch.ones(20, dtype=torch.float64))[:, None]
        before, after = {"none": (0, 0), "before": (-1, 0), "after": (0, -1), "symmetric": (-0.5, -0.5)}[second]
        torch.testing.assert_close(twice.filter(x), norm**after * once.filter(norm**before * x))
        assert torch.autograd.gradcheck(twice.filter, (x,))


def test_sums_of_very_many_points_keep_their_digits() -> None:
    """A kernel wider than the picture, and 300×300 pixels of one colour: in float32 as in float64."""
    picture = torch.full((3, 300, 300), 100.0)
    values = torch.ones(90000, 2)
    answers = [
        PermutohedralLattice(bilateral_features(p, 1e5, 13)).filter(v)
        for p, v in ((picture, values), (picture.double(), values.double()))
    ]
    torch.testing.assert_close(answers[0].double(), answers[1], rtol=1e-5, atol=0)


def test_features_of_whole_numbers() -> None:
    for dtype in (torch.uint8, torch.int16, torch.int64, torch.float16):
        picture = torch.randint(0, 256, (3, 2, 3000)).to(dtype)
        expected = bilateral_features(picture.float(), 80, 13.7)
        assert torch.equal(bilateral_features(picture, 80, 13.7), expected)
        assert torch.equal(position_features(2, 3000, 80, picture), expected[:, :2])


def test_values_it_refuses() -> None:
    lattice = PermutohedralLattice(torch.rand(5, 2))
    with pytest.raises(ValueError, match="5 points"):
        lattice.filter(torch.rand(4, 2))
    with pytest.raises(ValueError, match="N×K"):
        lattice.filter(torch.rand(5, 2, 2))
    with pytest.raises(TypeError, match="int64"):
        lattice.filter(torch.ones(5, dtype=torch.int64))
    with pytest.raises(ValueError, match="normalization='both'"):
        lattice.normalized("both")


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    features, values = cloud(2000, 5, 8).float(), torch.randn(2000, 7)
    here = PermutohedralLattice(features).normalized("symmetric").filter(values)
    there = PermutohedralLattice(features.cuda()).normalized("symmetric").filter(values.cuda())
    torch.testing.assert_close(there.cpu(), here, rtol=1e-4, atol=1e-5)
