"""Rand and information scores against pairs of pixels counted one by one; matches, merges and splits by hand."""

from __future__ import annotations

import math
import tracemalloc
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segkit.metrics import (
    CellScores,
    adapted_rand_error,
    average_precision,
    label_components,
    match_objects,
    partition_scores,
    rand_score,
)
from segkit.metrics.partition import contingency

SMALL = st.integers(0, 10**6)


def maps(seed: int, h: int = 5, w: int = 6, most: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, most, (h, w)) * 5, rng.integers(0, most + 1, (h, w))


def by_pairs(s: np.ndarray, t: np.ndarray, singletons: bool) -> tuple[float, float]:
    """Split and merge score by looking at every ordered pair of foreground pixels, a pixel with itself included."""
    places = [(int(a), int(b)) for a, b in zip(s.ravel(), t.ravel(), strict=True) if b > 0]
    if singletons:
        places = [(a if a else -1 - k, b) for k, (a, b) in enumerate(places)]
    both = sum(a == c and b == d for a, b in places for c, d in places)
    return both / sum(b == d for _, b in places for _, d in places), both / sum(
        a == c for a, _ in places for c, _ in places)  # fmt: skip


@given(SMALL, st.booleans())
@settings(max_examples=60)
def test_rand_is_what_counting_pairs_gives(seed, singletons):
    s, t = maps(seed)
    split, merge = by_pairs(s, t, singletons)
    r = partition_scores(s, t, "singletons" if singletons else "segment")
    assert r.rand_split == pytest.approx(split, rel=1e-12) and r.rand_merge == pytest.approx(merge, rel=1e-12)
    assert r.rand == pytest.approx(2 * split * merge / (split + merge), rel=1e-12)
    assert r.adapted_rand_error == 1 - r.rand


@given(SMALL, st.booleans())
@settings(max_examples=40)
def test_information_is_what_the_definition_gives(seed, singletons):
    s, t = maps(seed)
    keep = t > 0
    a, b = s[keep].astype(int), t[keep]
    if singletons:
        a = np.where(a == 0, -1 - np.arange(len(a)), a)
    n = len(a)

    def entropy(*lists):
        seen: dict = {}
        for key in zip(*lists, strict=True):
            seen[key] = seen.get(key, 0) + 1
        return -sum(c / n * math.log(c / n) for c in seen.values())

    h_s, h_t = entropy(a), entropy(b)
    mutual = h_s + h_t - entropy(a, b)
    r = partition_scores(s, t, "singletons" if singletons else "segment")
    assert r.info == pytest.approx(2 * mutual / (h_s + h_t), abs=1e-9)
    assert r.info_split == pytest.approx(mutual / h_s, abs=1e-9)
    assert r.info_merge == pytest.approx(mutual / h_t, abs=1e-9)


def test_hand_computed_merge_and_split():
    truth = np.array([[1, 1, 1, 1, 0, 2, 2, 2, 2]])
    merged = partition_scores(np.full((1, 9), 3), truth)
    assert (merged.rand_split, merged.rand_merge) == (1.0, 0.5) and merged.rand == pytest.approx(2 / 3)
    assert merged.info == 0.0
    split = partition_scores(np.array([[1, 1, 2, 2, 0, 3, 3, 4, 4]]), truth)
    assert (split.rand_split, split.rand_merge) == (0.5, 1.0) and split.rand == pytest.approx(2 / 3)
    assert split.info_split == pytest.approx(0.5) and split.info_merge == pytest.approx(1.0)
    lost = np.array([[1, 1, 1, 0, 0, 0, 2, 2, 2]])  # a wider membrane: one pixel of each cell
    assert rand_score(lost, truth) == pytest.approx(2 * 20 / (20 + 32))
    assert rand_score(lost, truth, "nearest") == 1.0
    assert rand_score(lost, truth, "segment") == pytest.approx(2 * 20 / (9 + 9 + 4 + 32))


@pytest.mark.parametrize("zero", ["singletons", "segment", "nearest"])
def test_truth_against_itself_is_one_whatever_the_names_and_the_background(zero):
    _, t = maps(3, 20, 20)
    other_names = np.where(t > 0, 100 - 7 * t, 0)
    assert rand_score(other_names, t, zero) == 1.0 and adapted_rand_error(other_names, t, zero) == 0.0
    anything = np.where(t > 0, other_names, 1000 + np.arange(400).reshape(20, 20))
    r = partition_scores(anything, t, zero)
    assert r.rand == 1.0 and r.info == pytest.approx(1.0)  # outside cells it does not count
    one = np.ones((3, 3), dtype=int)
    assert partition_scores(one, one, zero).info == 1.0


def test_nothing_predicted_and_nothing_there():
    t = np.array([[1, 1, 2, 2]])
    for zero in ("singletons", "nearest"):
        assert partition_scores(t * 0, t, zero).rand_split == 0.5  # each pixel with itself only
    assert all(math.isnan(v) for v in vars(partition_scores(t, t * 0)).values())


def brute_iou(p: np.ndarray, t: np.ndarray) -> dict[tuple[int, int], float]:
    return {
        (a, b): float(((p == a) & (t == b)).sum() / ((p == a) | (t == b)).sum())
        for a in np.unique(p[p > 0]).tolist() for b in np.unique(t[t > 0]).tolist()
    }  # fmt: skip


@given(SMALL, st.sampled_from([0.5, 0.6, 0.75]))
@settings(max_examples=40)
def test_matches_are_those_of_brute_force(seed, threshold):
    rng = np.random.default_rng(seed)
    t = np.kron(rng.integers(0, 4, (3, 4)), np.ones((3, 3), dtype=int))
    p = np.where(rng.random(t.shape) < 0.85, t * 3, rng.integers(0, 4, t.shape))
    ious = brute_iou(p, t)
    expected = {k: v for k, v in ious.items() if v > threshold}
    m = match_objects(torch.from_numpy(p), t, threshold)
    assert {(a, b): pytest.approx(v) for a, b, v in m.pairs} == expected
    things_p, things_t = len({a for a, _ in ious}), len({b for _, b in ious})
    if ious:
        assert (m.tp, m.fp, m.fn) == (len(expected), things_p - len(expected), things_t - len(expected))
    assert len({a for a, _, _ in m.pairs}) == len({b for _, b, _ in m.pairs}) == m.tp


def test_merges_splits_and_specks_by_hand():
    t = np.zeros((10, 30), dtype=int)
    t[:, 0:10], t[:, 11:20], t[:, 21:30] = 1, 2, 3
    merged = np.where((t == 1) | (t == 2), 7, 0)
    m = match_objects(merged, t)
    assert (m.merges, m.splits, m.tp, m.fp, m.fn) == (1, 0, 1, 0, 2)  # 7 has 100/190 of cell 1's union: a match
    halves = t.copy()
    halves[:5, 0:10] = 9
    m = match_objects(halves, t)
    assert (m.merges, m.splits, m.tp, m.fp, m.fn) == (0, 1, 2, 2, 1)
    assert m.precision == 0.5 and m.recall == pytest.approx(2 / 3) and m.f1 == pytest.approx(4 / 7)
    speck = t.copy()
    speck[0, 0] = 9
    assert match_objects(speck, t).splits == 0 and match_objects(speck, t).tp == 3
    assert match_objects(t, t).f1 == 1.0 and match_objects(t, t).pairs[2] == (3, 3, 1.0)


def test_a_match_needs_more_than_the_threshold():
    t, p = np.array([[1, 1, 0]]), np.array([[5, 0, 0]])
    assert match_objects(p, t, 0.5).tp == 0  # exactly one half
    with pytest.raises(ValueError, match=r"iou=0\.4"):
        match_objects(p, t, 0.4)


@pytest.mark.parametrize("seed", range(12))
def test_names_of_any_size_give_the_same_table(seed):
    """Small ids are counted, large ones sorted: the same segments either way, in the order of their ids."""
    a, b = maps(seed, most=6)
    few, many = contingency(a, b), contingency(a * 10**12, b * 10**12)
    assert np.array_equal(few.a_ids * 10**12, many.a_ids) and np.array_equal(few.b_ids * 10**12, many.b_ids)
    for name in ("a", "b", "pixels", "a_area", "b_area"):
        x, y = getattr(few, name), getattr(many, name)
        assert np.array_equal(x, y) and x.dtype == y.dtype, name
    assert few.a_ids.dtype == many.a_ids.dtype == a.dtype and few.pixels.sum() == a.size
    for i, j, pixels in zip(few.a, few.b, few.pixels, strict=True):
        assert pixels == ((a == few.a_ids[i]) & (b == few.b_ids[j])).sum() > 0


def test_many_ids_take_no_table_of_all_pairs():
    """22,500 things of one pixel each: a table of all pairs would take 4 GB."""
    ids = np.arange(1, 150 * 150 + 1).reshape(150, 150)
    tracemalloc.start()
    scores = CellScores()
    scores.update(ids, ids.T)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6 and scores.summary()["f1"] == scores.summary()["rand"] == 1.0


def test_average_precision_by_hand():
    t = np.zeros((1, 40), dtype=int)
    t[0, :10], t[0, 20:30] = 1, 2
    p = np.zeros_like(t)
    p[0, :8], p[0, 20:30], p[0, 35] = 4, 5, 6  # IoU 0.8, 1 and a false one
    assert average_precision(p, t, [0.5]) == pytest.approx(2 / 3) and average_precision(p, t, [0.8]) == pytest.approx(
        1 / 4
    )
    assert average_precision(p, t) == pytest.approx((6 * 2 / 3 + 4 * 1 / 4) / 10)
    assert average_precision(t, t) == 1.0 and math.isnan(average_precision(t * 0, t * 0))
    assert average_precision(t * 0, t) == average_precision(t, t * 0) == 0.0


def test_data_set_scores_are_means_over_pictures_and_sums_of_counts():
    pictures = [maps(k, 8, 9) for k in range(4)]
    total, half = CellScores(), CellScores()
    total.update(*(np.stack(x) for x in zip(*pictures[:2], strict=True)))
    for p, t in pictures[2:]:
        half.update(torch.from_numpy(p), torch.from_numpy(t))
    total.merge(half)
    s = total.summary()
    assert s["rand"] == pytest.approx(np.mean([rand_score(p, t) for p, t in pictures]))
    assert s["ap"] == pytest.approx(np.mean([average_precision(p, t) for p, t in pictures]))
    assert s["adapted_rand_error"] == pytest.approx(1 - s["rand"])
    matches = [match_objects(p, t) for p, t in pictures]
    assert s["f1"] == pytest.approx(
        2 * sum(m.tp for m in matches) / sum(2 * m.tp + m.fp + m.fn for m in matches))  # fmt: skip
    assert s["merges"] == sum(m.merges for m in matches) and s["cells"] == sum(m.tp + m.fn for m in matches)
    before = s["rand"]
    total.update(np.ones((3, 3), dtype=int), np.zeros((3, 3), dtype=int))  # no true cell: out of the mean of rand
    assert total.summary()["rand"] == before
    total.reset()
    assert math.isnan(total.summary()["rand"]) and math.isnan(total.summary()["f1"])
    with pytest.raises(ValueError, match="merge got"):
        total.merge(CellScores(iou=0.7))


@pytest.mark.parametrize("connectivity", [4, 8])
def test_components_are_those_of_a_flood_fill(connectivity):
    mask = torch.rand(3, 9, 11) > 0.5
    made = label_components(mask, connectivity)
    assert made.dtype == torch.int64 and torch.equal(made > 0, mask)
    for picture, ids in zip(mask, made, strict=True):
        places = [tuple(p) for p in picture.nonzero().tolist()]
        parent = {p: p for p in places}

        def root(p, parent=parent):
            while parent[p] != p:
                p = parent[p]
            return p

        for a, b in combinations(places, 2):
            dy, dx = abs(a[0] - b[0]), abs(a[1] - b[1])
            if (dy + dx == 1) if connectivity == 4 else max(dy, dx) == 1:
                parent[root(a)] = root(b)
        firsts = sorted({min(p for p in places if root(p) == r) for r in {root(p) for p in places}})
        assert [int(ids[p]) for p in firsts] == list(range(1, len(firsts) + 1))  # numbered in reading order
        assert all((root(a) == root(b)) == (ids[a] == ids[b]) for a, b in combinations(places, 2))


def test_wrong_input_is_named():
    ids = np.ones((2, 3), dtype=int)
    for call, error, words in (
        (lambda: rand_score(ids * 0.5, ids), TypeError, "prediction is an array of float64"),
        (lambda: rand_score(ids, ids[:1]), ValueError, "id maps must agree"),
        (lambda: rand_score(-ids, ids), ValueError, "the id -1"),
        (lambda: rand_score(ids, ids, "one"), ValueError, "zero='one'"),
        (lambda: match_objects(ids[None], ids[None]), ValueError, "within one picture"),
        (lambda: average_precision(ids, ids, []), ValueError, "thresholds"),
        (lambda: CellScores(iou=0.1), ValueError, "iou=0.1"),
        (lambda: CellScores(zero="x"), ValueError, "zero='x'"),
        (lambda: CellScores().update(ids[0], ids[0]), ValueError, r"shape \(3,\)"),
        (lambda: label_components(ids * 0.5), TypeError, "threshold|probability"),
        (lambda: label_components(ids, 6), ValueError, "connectivity=6"),
        (lambda: label_components(ids[0]), ValueError, r"H×W or N×H×W"),
    ):
        with pytest.raises(error, match=words):
            call()
