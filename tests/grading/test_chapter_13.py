"""Assignment 13: equal to the package and to torch, not had by pasting the chapter, and slips that nobody planted."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from segkit import ops
from segkit.grading import check
from segkit.grading.exercise import find
from segkit.grading.verdict import PARTLY
from segkit.heads import CrissCross
from segkit.models.gcn import LargeKernel
from segkit.models.ocrnet import gather
from segkit.ops.attention_masks import criss_cross_mask
from tests.grading.mistakes.ch13_attention import attend_torch, cross_torch
from tests.grading.mistakes.ch13_codes import encode_torch, regions_torch
from tests.grading.mistakes.ch13_gates import gates_torch, large_torch


def right(exercise, *args):
    return find(exercise).reference(*args)


def random(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


# the right answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_attention_is_the_packages_head_by_head(seed):
    rng = np.random.default_rng(seed)
    N, H, e, d, h, w, hs, ws = (int(n) for n in rng.integers(1, 5, 8))
    query, key, value = random(N, H * e, h, w), random(N, H * e, hs, ws, seed=1), random(N, H * d, hs, ws, seed=2)
    mask = torch.from_numpy(rng.random((h * w, hs * ws)) < 0.5) if seed % 2 else None
    heard = [
        ops.attend(q.flatten(2).mT, k.flatten(2).mT, v.flatten(2).mT, mask=mask).mT.reshape(N, d, h, w)
        for q, k, v in zip(query.split(e, 1), key.split(e, 1), value.split(d, 1), strict=True)
    ]
    torch.testing.assert_close(right("attend_maps", query, key, value, H, mask), torch.cat(heard, 1))


def test_heads_are_those_of_torchs_multi_head_attention():
    """Its projections left out: each is the identity."""
    E, H = 6, 3
    module = nn.MultiheadAttention(E, H, bias=False, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        module.in_proj_weight.copy_(torch.eye(E).repeat(3, 1))
        module.out_proj.weight.copy_(torch.eye(E))
        query, key, value = random(2, E, 3, 4), random(2, E, 2, 5, seed=1), random(2, E, 2, 5, seed=2)
        mask = cross_torch(4, 5, 2)[:12, :10]
        theirs, _ = module(*(x.flatten(2).mT for x in (query, key, value)), attn_mask=~mask)
    torch.testing.assert_close(right("attend_maps", query, key, value, H, mask), theirs.mT.reshape(2, E, 3, 4))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 6), (3, 4), (7, 2)])
def test_with_step_one_it_is_ccnets(height, width):
    mask = right("criss_cross", height, width, 1)
    assert torch.equal(mask, criss_cross_mask(height, width)) and (mask.sum(1) == height + width - 1).all()
    query, key, value = random(2, 3, height, width), random(2, 3, height, width, seed=1), random(2, 4, height, width)
    theirs = CrissCross(4, 3).heard(query, key, value)
    torch.testing.assert_close(right("attend_maps", 3**0.5 * query, key, value, 1, mask), theirs)


@pytest.mark.parametrize("seed", range(12))
def test_a_cell_hears_as_many_as_there_are_steps_on_each_side(seed):
    height, width, step = (int(n) for n in np.random.default_rng(seed).integers(1, 9, 3))
    mask = right("criss_cross", height, width, step).reshape(height, width, height, width)
    for i, j in np.ndindex(height, width):
        sides = i // step + (height - 1 - i) // step + j // step + (width - 1 - j) // step
        assert int(mask[i, j].sum()) == 1 + sides and mask[i, j, i, j]
    assert torch.equal(mask, mask.permute(2, 3, 0, 1)), "who is heard hears"


@pytest.mark.parametrize("seed", range(8))
def test_the_code_is_the_packages_of_the_valid_pixels(seed):
    rng = np.random.default_rng(seed)
    N, C, K, h, w = (int(n) for n in rng.integers(1, 6, 5))
    x, words, scale = random(N, C, h, w), random(K, C, seed=1), random(K, seed=2)
    valid = torch.from_numpy(rng.random((N, h, w)) < 0.6)
    theirs = [ops.encode(x[n][:, valid[n]][:, None], words, scale) for n in range(N)]
    holed = torch.where(valid[:, None], x, torch.nan)
    torch.testing.assert_close(right("encode_valid", holed, words, scale, valid), torch.stack(theirs))


def test_regions_are_the_packages_of_the_known_part():
    """The left half is known: its regions are those of a picture cut in half, and the right half listens to them."""
    cells, guess, weights = random(2, 4, 3, 6), random(2, 5, 3, 6, seed=1), random(2, 3, 4, seed=2)
    known = torch.zeros(2, 3, 6, dtype=torch.bool)
    known[..., :3] = True
    found, heard = right("regions", cells, guess, known, *weights)
    torch.testing.assert_close(found, gather(cells[..., :3], guess[..., :3])[..., 0].mT)
    rows = cells.flatten(2).mT
    theirs = ops.attend(rows @ weights[0].T, found @ weights[1].T, found).mT.reshape(cells.shape)
    torch.testing.assert_close(heard, theirs)


def test_row_gates_are_the_packages():
    x, squeeze, expand, biases = random(2, 4, 5, 3), random(3, 4, seed=1), random(4, 3, seed=2), [random(3), random(4)]
    y = F.relu(F.conv2d(x.mean(3, keepdim=True), squeeze[..., None, None], biases[0]))
    theirs = ops.gate(x, F.conv2d(y, expand[..., None, None], biases[1]))
    mine = right("gate_rows", x, squeeze, expand, biases)
    torch.testing.assert_close(mine, theirs)
    order = torch.tensor([3, 0, 4, 2, 1])
    torch.testing.assert_close(right("gate_rows", x[:, :, order], squeeze, expand, biases), mine[:, :, order])


def test_a_square_large_kernel_is_gcns():
    theirs = LargeKernel(3, 2, 5).double()
    pairs = [[layer.weight.squeeze(-1).squeeze(-1) for layer in side] for side in (theirs.left, theirs.right)]
    for layer in (*theirs.left, *theirs.right):
        nn.init.zeros_(layer.bias)
    with torch.no_grad():
        left, right_ = ([w.reshape(*w.shape[:2], -1) for w in pair] for pair in pairs)
        x = random(2, 3, 4, 7)
        torch.testing.assert_close(right("large_kernel", x, tuple(left), tuple(right_)), theirs(x))


# the chapter's code, and slips that nobody planted -----------------------------------------------------------------


def chapters_listen(query, key, value, heads, mask):
    """As the chapter has it: for the rows of one map that listens to itself."""
    q, k, v = (x[0].flatten(1).T for x in (query, key, value))
    products = q @ k.T * q.shape[1] ** -0.5
    if mask is not None:
        products = products.masked_fill(~mask, -torch.inf)
    return (products.softmax(1) @ v).T.reshape(1, -1, *query.shape[2:])


def chapters_encode(x, words, scale, valid):
    """As the chapter has it: of one picture, all of whose pixels take part."""
    pixels = x[0].flatten(1).T
    away = pixels[:, None] - words
    shares = (scale * away.square().sum(2)).softmax(1)
    return (shares[..., None] * away).sum(0)


def chapters_regions(cells, guess, known, query, key):
    """As the chapter has it, `gather` and `distribute`: on the rows of one picture, with weights D×E."""
    rows, scores = cells[0].flatten(1).T, guess[0].flatten(1).T
    found = scores.softmax(0).T @ rows
    products = (rows @ query) @ (found @ key).T * len(key) ** -0.5
    return found, products.softmax(1) @ found


@pytest.mark.parametrize(
    ("exercise", "code"),
    [
        ("attend_maps", chapters_listen),
        ("criss_cross", lambda height, width, step: criss_cross_mask(height, width)),
        ("encode_valid", chapters_encode),
        ("regions", chapters_regions),
        ("gate_rows", lambda x, *weights: ops.gate(x, x.mean((2, 3), keepdim=True))),
    ],
)
def test_the_code_of_the_chapter_earns_less_than_half(exercise, code):
    assert check(exercise, code, quiet=True).score < 0.5


def first(pair):
    return pair[0]


UNPLANNED = [
    ("attend_maps", lambda *a: 2 * attend_torch(*a), "2 times the right one"),
    ("attend_maps", lambda *a: attend_torch(*a)[..., 1:], "the width has 1 too few"),
    ("attend_maps", lambda *a: attend_torch(*a).flip(2), "" ),
    ("attend_maps", lambda q, k, v, heads, mask: attend_torch(q, k, v, heads, mask) + (heads > 2), ""),
    ("attend_maps", lambda q, k, v, heads, mask: attend_torch(q, k, v, heads, mask) + (mask is not None),
     "there is a mask, and only then"),
    ("attend_maps", lambda q, k, v, heads, mask: attend_torch(q - q.mean(1, keepdim=True), k, v, heads, mask), ""),
    ("attend_maps", lambda q, k, v, heads, mask: attend_torch(F.normalize(q, dim=1), k, v, heads, mask), ""),
    ("criss_cross", lambda *a: cross_torch(*a).flip(1), ""),
    ("criss_cross", lambda *a: cross_torch(*a)[1:], "the height has 1 too few"),
    ("criss_cross", lambda *a: cross_torch(*a).nonzero(), ""),
    ("criss_cross", lambda h, w, step: cross_torch(h, w, step) & (step < 3), ""),
    ("encode_valid", lambda *a: encode_torch(*a) / 2, "0.5 times the right one"),
    ("encode_valid", lambda x, words, scale, valid: encode_torch(x, words, scale / 2, valid), ""),
    ("encode_valid", lambda x, words, scale, valid: encode_torch(x, words, scale, valid).flip(1), ""),
    ("encode_valid", lambda x, words, scale, valid: F.normalize(encode_torch(x, words, scale, valid), dim=2), ""),
    ("encode_valid", lambda x, words, scale, valid: encode_torch(x, words, scale, valid).relu(), ""),
    ("regions", lambda *a: (regions_torch(*a)[0], 2 * regions_torch(*a)[1]), "Part 2 of your result"),
    ("regions", lambda *a: first(regions_torch(*a)), ""),
    ("regions", lambda c, g, known, q, k: regions_torch(c, g.mean(1, keepdim=True).expand_as(g), known, q, k), ""),
    ("regions", lambda c, g, known, q, k: regions_torch(c, -g, known, q, k), ""),
    ("gate_rows", lambda *a: gates_torch(*a) * 1.5, "1.5 times the right one"),
    ("gate_rows", lambda x, *a: gates_torch(x.flip(2), *a), ""),
    ("gate_rows", lambda x, *a: gates_torch(x.cumsum(2), *a), ""),
    ("large_kernel", lambda *a: large_torch(*a) - 1, "1 too small"),
    ("large_kernel", lambda x, left, right: large_torch(x, left, (right[0].flip(2), right[1])), ""),
    ("large_kernel", lambda *a: large_torch(*a)[:, :, 1:-1, 1:-1], ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("exercise", "student", "words"), UNPLANNED, ids=[f"{i}-{e}" for i, (e, _, _) in enumerate(UNPLANNED)]
)
def test_an_unknown_mistake_of_chapter_13(exercise, student, words):
    """Rejected, with an example; no mistake of the catalogue is claimed that is not there."""
    result = check(exercise, student, quiet=True)
    told = result.diagnoses[0]
    assert not result.passed and result.score < 1 and words in told.message, result.text()
    assert told.code in ("wrong-values", "wrong-shape", "wrong-type", "wrong-dtype"), result.text()
    assert "should give" in told.example


@pytest.mark.parametrize(
    ("exercise", "student", "codes"),
    [
        (
            "attend_maps",
            lambda q, k, v, heads, mask: attend_torch(
                q, k, v, heads, None if mask is None else ~mask, wrong="no scale"
            ),
            {"scale-missing", "mask-inverted"},
        ),
        (
            "encode_valid",
            lambda x, words, scale, valid: encode_torch(x, words, -scale, valid, wrong="pixels"),
            {"scale-sign", "codeword-not-subtracted"},
        ),
        (
            "regions",
            lambda c, g, known, q, k: regions_torch(c, g, ~known, q, k, wrong="no scale"),
            {"known-inverted", "scale-missing"},
        ),
        (
            "gate_rows",
            lambda x, s, e, biases: gates_torch(x, s, e, [0 * b for b in biases], wrong="tanh"),
            {"bias-ignored", "tanh-for-sigmoid"},
        ),
        (
            "large_kernel",
            lambda x, left, right: large_torch(x, [w.flip(2) for w in left], [w.flip(2) for w in right], wrong="mean"),
            {"kernel-flipped", "averaged"},
        ),
    ],
)
def test_two_mistakes_at_once(exercise, student, codes):
    result = check(exercise, student, quiet=True)
    assert not result.passed and codes <= {d.code for d in result.diagnoses}, result.text()


@pytest.mark.parametrize(
    ("exercise", "student", "code"),
    [
        ("attend_maps", partial(attend_torch, wrong="large negative"), "nobody-hears-all"),
        ("attend_maps", partial(attend_torch, wrong="all channels"), "scale-of-all-channels"),
        ("criss_cross", partial(cross_torch, wrong="numbers"), "wrong-dtype"),
        ("encode_valid", partial(encode_torch, wrong="nan"), "nan-times-zero"),
        ("regions", partial(regions_torch, wrong="nan"), "nothing-known-nan"),
        ("large_kernel", partial(large_torch, wrong="k"), "one-padding-for-both"),
    ],
)
def test_a_small_slip_keeps_most_of_the_marks(exercise, student, code):
    result = check(exercise, student, quiet=True)
    assert result.status == PARTLY and result.score > 0.7 and result.diagnoses[0].code == code, result.text()


def test_a_mask_of_numbers_is_told_what_attention_does_with_it():
    told = check("criss_cross", partial(cross_torch, wrong="numbers"), quiet=True).diagnoses[0]
    assert "float32" in told.message and "adds a mask of numbers to the products" in told.message
    assert check("criss_cross", lambda *a: cross_torch(*a).tolist(), quiet=True).passed, "lists of bools will do"
