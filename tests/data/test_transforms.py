"""Joint transforms keep picture, labels, ids, depth and flow in step; Augmented depends on its numbers alone."""

from __future__ import annotations

import copy
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segkit.data import VOID, Augmented, Sample, collate
from segkit.data.transforms import ColourJitter, Compose, RandomCrop, RandomFlip, RandomScale, Resize, resized

FIELDS = ("image", "labels", "instances", "depth", "next_image", "flow")


def sample(h: int = 24, w: int = 32, full: bool = True) -> Sample:
    """Every field says where its pixel is: number = row · 100 + column (the picture in three channels, scaled)."""
    rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    place = rows * 100 + columns
    image = torch.stack([rows / 100, columns / 100, torch.full((h, w), 0.5)])
    flow = torch.stack([columns.float(), rows.float()])
    extra = {"instances": place + 1, "depth": place.float(), "next_image": image * 0.5, "flow": flow} if full else {}
    return Sample(image=image, labels=(rows // 3 * 7 + columns // 3) % 11, **extra, name="place")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def same(a: Sample, b: Sample) -> bool:
    return all(
        (x is None and y is None) or torch.equal(x, y) for x, y in ((getattr(a, f), getattr(b, f)) for f in FIELDS)
    )


def labels_at(instances: torch.Tensor, source: Sample) -> torch.Tensor:
    """The labels that the source has at the pixels an id map names; void where there are none."""
    place = (instances - 1).clamp(min=0)
    return torch.where(instances == 0, VOID, source.labels[place // 100, place % 100])


@given(st.integers(0, 10**6), st.sampled_from(["flip", "resize", "scale", "crop", "all"]))
@settings(max_examples=60, deadline=None)
def test_all_fields_stay_in_step(seed, which):
    transform = {
        "flip": RandomFlip(1.0),
        "resize": Resize((17, 45)),
        "scale": RandomScale(0.5, 2),
        "crop": RandomCrop((20, 40)),
        "all": Compose([RandomFlip(), RandomScale(0.5, 2), RandomCrop(28), ColourJitter()]),
    }[which]
    before = sample()
    untouched = copy.deepcopy(before)
    after = transform(before, rng(seed))
    assert same(before, untouched)  # nothing is changed in place
    assert after.image.dtype == torch.float32 and after.labels.dtype == torch.int64 and after.name == "place"
    assert after.image.min() >= 0 and after.image.max() <= 1 and after.image.is_contiguous()
    assert len({getattr(after, f).shape[-2:] for f in FIELDS}) == 1
    assert torch.equal(after.labels, labels_at(after.instances, before))
    inside = after.instances > 0
    assert torch.equal(after.depth[inside], (after.instances[inside] - 1).float())  # metres do not change


def test_flip_mirrors_and_turns_the_flow():
    before = sample()
    after = RandomFlip(1.0)(before, rng())
    assert torch.equal(after.image, before.image.flip(-1)) and torch.equal(after.next_image, before.next_image.flip(-1))
    assert torch.equal(after.flow[0], -before.flow[0].flip(-1)) and torch.equal(after.flow[1], before.flow[1].flip(-1))
    assert same(RandomFlip(1.0)(after, rng()), before)
    assert same(RandomFlip(0.0)(before, rng()), before)


def test_flip_happens_as_often_as_asked():
    before = sample(4, 4)
    flips = sum(not same(RandomFlip(0.25)(before, rng(k)), before) for k in range(400))
    assert 70 <= flips <= 130


def test_flow_still_points_at_the_same_thing_after_flip_and_scale():
    image, moved = torch.zeros(3, 8, 12), torch.zeros(3, 8, 12)
    image[:, 2, 3] = moved[:, 4, 8] = 1.0
    flow = torch.zeros(2, 8, 12)
    flow[0], flow[1] = 5, 2  # from column 3, row 2 to column 8, row 4
    s = Sample(image, torch.zeros(8, 12, dtype=torch.int64), next_image=moved, flow=flow)
    s = resized(RandomFlip(1.0)(s, rng()), (24, 24))
    y, x = divmod(int(s.image[0].argmax()), 24)
    dx, dy = s.flow[:, y, x].tolist()
    y2, x2 = divmod(int(s.next_image[0].argmax()), 24)
    assert (x + dx, y + dy) == (x2, y2)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 60), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_resize_picks_the_pixel_that_the_new_centre_falls_into(h, w, new_h, new_w):
    before = sample(h, w)
    after = Resize((new_h, new_w))(before, rng())
    rows = [int((i + Fraction(1, 2)) * h / new_h) for i in range(new_h)]
    columns = [int((j + Fraction(1, 2)) * w / new_w) for j in range(new_w)]
    assert torch.equal(after.labels, before.labels[rows][:, columns])
    assert torch.equal(after.instances, before.instances[rows][:, columns])
    assert after.image.shape == (3, new_h, new_w)


def test_resize_by_hand():
    s = Sample(torch.rand(3, 2, 4), torch.tensor([[0, 1, 2, 3], [4, 5, 6, 7]]))
    assert Resize((4, 8))(s, rng()).labels.tolist() == [
        [0, 0, 1, 1, 2, 2, 3, 3], [0, 0, 1, 1, 2, 2, 3, 3], [4, 4, 5, 5, 6, 6, 7, 7], [4, 4, 5, 5, 6, 6, 7, 7],
    ]  # fmt: skip
    half = Resize((1, 2))(s, rng())
    torch.testing.assert_close(half.image.mean((1, 2)), s.image.mean((1, 2)), atol=0.05, rtol=0)
    assert Resize(4)(s, rng()).labels.shape == (4, 8) and same(Resize((2, 4))(s, rng()), s)


def test_shrinking_averages_the_picture_and_never_the_labels():
    every_fourth = torch.arange(64) % 4 == 0
    s = Sample(every_fourth.float().expand(3, 64, 64).clone(), (every_fourth * 9).expand(64, 64).clone())
    small = Resize((16, 16))(s, rng())
    assert (small.image - 0.25).abs()[:, 2:-2, 2:-2].max() < 0.1  # between two pixels alone it would be 0
    assert set(small.labels.unique().tolist()) <= {0, 9}


def test_scale_stays_between_its_bounds_and_is_as_often_below_one_as_above():
    before = sample(40, 40, full=False)
    sizes = [RandomScale(0.5, 2.0)(before, rng(k)).labels.shape[0] for k in range(300)]
    assert min(sizes) >= 20 and max(sizes) <= 80 and min(sizes) < 25 and max(sizes) > 70
    assert 110 <= sum(s < 40 for s in sizes) <= 190


def test_crop_is_a_window_of_the_picture():
    before = sample()
    for seed in range(20):
        after = RandomCrop((10, 12))(before, rng(seed))
        top, left = divmod(int(after.instances[0, 0]) - 1, 100)
        window = (..., slice(top, top + 10), slice(left, left + 12))
        assert all(torch.equal(getattr(after, f), getattr(before, f)[window]) for f in FIELDS)


def test_every_place_of_a_crop_occurs():
    tops = {int(RandomCrop((22, 32))(sample(), rng(k)).instances[0, 0]) // 100 for k in range(60)}
    assert tops == {0, 1, 2}


def test_crop_larger_than_the_picture_fills_up_with_void_and_the_mean_colour():
    before = sample()
    after = RandomCrop((40, 20), fill=(0.1, 0.2, 0.3))(before, rng(3))
    outside = after.instances == 0
    assert int((~outside).sum()) == 24 * 20
    assert (after.labels[outside] == VOID).all() and (after.labels[~outside] != VOID).all()
    assert torch.equal(after.image[:, outside], torch.tensor([0.1, 0.2, 0.3])[:, None].expand(3, int(outside.sum())))
    assert (after.depth[outside] == 0).all() and (after.flow[:, outside] == 0).all()
    y, x = (~outside).nonzero()[0].tolist()
    assert torch.equal(after.image[:, y : y + 24], before.image[:, :, int(after.instances[y, x]) - 1 :][..., :20])


def test_colour_changes_the_picture_alone_and_both_frames_alike():
    before = sample()
    before.image = torch.rand(3, 24, 32, generator=torch.Generator().manual_seed(0))
    before.next_image = before.image.clone()
    after = ColourJitter(0.4, 0.4, 0.4, 0.1)(before, rng(1))
    assert not torch.equal(after.image, before.image) and torch.equal(after.image, after.next_image)
    assert all(getattr(after, f) is getattr(before, f) for f in ("labels", "instances", "depth", "flow"))
    nothing = ColourJitter(0, 0, 0, 0)(before, rng(1))
    torch.testing.assert_close(nothing.image, before.image, atol=1e-5, rtol=0)


def test_colour_parts_do_what_they_say():
    colour = Sample(torch.tensor([0.6, 0.4, 0.2])[:, None, None].expand(3, 2, 2), torch.zeros(2, 2, dtype=torch.int64))
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    for seed in range(5):
        turned = ColourJitter(0, 0, 0.3, 0.03)(colour, rng(seed)).image
        torch.testing.assert_close((turned * weights).sum(0), (colour.image * weights).sum(0))  # as light as before
        brighter = ColourJitter(0.3, 0, 0, 0)(colour, rng(seed)).image
        ratio = brighter / colour.image
        torch.testing.assert_close(ratio, ratio[:1, :1, :1].expand_as(ratio))
        assert 0.7 <= ratio[0, 0, 0] <= 1.3


@pytest.mark.parametrize(
    "make",
    [
        lambda: RandomFlip(1.5), lambda: RandomScale(0, 1), lambda: RandomScale(2, 1), lambda: RandomCrop((0, 3)),
        lambda: Resize((3, 4, 5)), lambda: Resize(0), lambda: ColourJitter(-0.1), lambda: ColourJitter(hue=0.6),
    ],
)  # fmt: skip
def test_bad_settings_are_refused(make):
    with pytest.raises(ValueError, match="got"):
        make()


class Places:
    """A small data set."""

    name, classes, num_classes, ignore_index = "places", tuple("abcdefghijk"), 11, VOID
    palette = np.zeros((11, 3), dtype=np.uint8)

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < 6:
            raise IndexError(index)
        return sample(20 + index, 30)


def augmented(seed: int = 0) -> Augmented:
    return Augmented(Places(), Compose([RandomFlip(), RandomScale(0.8, 1.5), RandomCrop((16, 16))]), seed)


def test_an_item_depends_on_seed_epoch_and_index_alone():
    one, other = augmented(), augmented()
    one.set_epoch(3)
    first = [one[i] for i in range(6)]
    other.set_epoch(3)
    assert all(same(other[i], first[i]) for i in reversed(range(6)))
    assert same(one[-1], first[5])
    one.set_epoch(4)
    assert sum(same(one[i], first[i]) for i in range(6)) <= 1
    different = augmented(seed=1)
    different.set_epoch(3)
    assert sum(same(different[i], first[i]) for i in range(6)) <= 1


def test_it_is_a_data_set_like_the_one_inside():
    data = augmented()
    assert len(data) == 6 and len(list(data)) == 6
    assert (data.name, data.num_classes, data.ignore_index, data.classes) == ("places", 11, VOID, Places.classes)
    with pytest.raises(IndexError, match="6 samples"):
        data[6]
    for wrong in (lambda: Augmented(Places(), RandomFlip(), seed=-1), lambda: data.set_epoch(-1)):
        with pytest.raises(ValueError, match="got"):
            wrong()


def test_workers_that_live_on_see_the_new_epoch():
    data = augmented()
    loader = torch.utils.data.DataLoader(data, 2, collate_fn=collate, num_workers=1, persistent_workers=True)
    for epoch in (0, 5):
        data.set_epoch(epoch)
        expected = torch.stack([data[i].image for i in range(6)])
        assert torch.equal(torch.cat([batch.image for batch in loader]), expected)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Resize(3.5), r"Resize got size=3\.5"),
        (lambda: Resize((3.5, 4)), r"Resize got size=3\.5"),
        (lambda: Resize((4, 4, 4)), r"it takes \(height, width\)"),
        (lambda: Resize(0), "Resize got size=0"),
        (lambda: RandomCrop(3.5), r"RandomCrop got size=3\.5"),
        (lambda: RandomCrop((4, 0)), "RandomCrop got size=0"),
        (lambda: ColourJitter()(Sample(255 * torch.rand(3, 4, 4), torch.zeros(4, 4).long()), rng()), "it takes 0–1"),
    ],
)
def test_sizes_and_pictures_that_make_no_sense_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
    assert RandomCrop(np.int64(4)).size == (4, 4) and Resize(np.int64(4)).size == 4
