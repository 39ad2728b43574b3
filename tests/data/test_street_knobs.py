"""Each difficulty knob does what it says, in numbers, and leaves alone what it does not name."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from segkit.data import Sample
from segkit.data import create as data_set
from segkit.data.street import CLASSES, Knobs, StreetScenes
from segkit.data.street import classes as c

LEVELS = (0.0, 1.0, 2.0)


def _scenes(count: int = 30, **options: object) -> list[Sample]:
    return list(StreetScenes(length=count, **options))  # type: ignore[arg-type]


def _share(samples: list[Sample], *classes: int) -> float:
    return float(np.mean([np.isin(s.labels.numpy(), classes).mean() for s in samples]))


def test_thin_sets_the_width_of_poles_signs_and_lane_marks() -> None:
    thick, normal, thinner = (_scenes(thin=level) for level in LEVELS)
    for k in (c.POLE, c.LANE_MARK, c.SIGN):
        assert _share(thick, k) > 1.5 * _share(normal, k), CLASSES[k]
        assert _share(normal, k) > 1.02 * _share(thinner, k), CLASSES[k]
    big = [_share(_scenes(6, thin=level, size=(384, 512)), c.POLE, c.LANE_MARK) for level in (1.0, 2.0)]
    assert big[0] > 1.4 * big[1]  # where pixels are small enough to show it


def _apart(samples: list[Sample], a: int, b: int) -> float:
    """Mean distance between two classes' mean colours in one picture."""
    gaps = []
    for s in samples:
        first, second = (s.image[:, s.labels == k] for k in (a, b))
        if min(first.shape[1], second.shape[1]) > 30:
            gaps.append((first.mean(1) - second.mean(1)).norm().item())
    return float(np.mean(gaps))


def test_ambiguity_brings_road_and_pavement_together() -> None:
    gaps = [_apart(_scenes(ambiguity=level, shadows=0.0), c.ROAD, c.PAVEMENT) for level in LEVELS]
    assert gaps[0] > 2 * gaps[1] > 2 * 1.2 * gaps[2], gaps
    assert gaps[2] < 0.05


def test_ambiguity_paints_buses_like_houses() -> None:
    """The strength of colour (largest minus smallest channel) of bus bodies."""
    strength = []
    for level in LEVELS:
        data = StreetScenes(ambiguity=level)
        bodies = []
        for i in range(120):
            materials = data.scene(i).materials
            bodies += [k for k, label in zip(materials.colours, materials.labels, strict=True) if label == c.BUS][::7]
        strength.append(np.mean([max(k) - min(k) for k in bodies]))
    assert strength[0] > 1.4 * strength[1] > 1.4 * 1.3 * strength[2], strength


def test_noise_adds_grain_and_leaves_the_labels() -> None:
    none, normal, strong = (_scenes(10, noise=level) for level in LEVELS)
    added = [
        float(np.mean([(a.image - b.image).std().item() for a, b in zip(none, other, strict=True)]))
        for other in (normal, strong)
    ]
    assert 0.01 < added[0] < 0.6 * added[1] < 0.06, added
    assert all(torch.equal(a.labels, b.labels) for a, b in zip(none, strong, strict=True))


def test_shadows_add_edges_that_are_no_boundaries() -> None:
    levels = [_scenes(40, shadows=level, noise=0.0, size=(96, 128)) for level in LEVELS]
    spread = []
    for samples in levels:
        spread.append(np.mean([s.image[:, s.labels == c.ROAD].mean(0).std().item() for s in samples]))
    assert spread[1] > 1.5 * spread[0] and spread[2] > 1.05 * spread[1], spread
    assert all(torch.equal(a.labels, b.labels) for a, b in zip(levels[0], levels[2], strict=True))


def test_objects_sets_how_many_there_are_and_how_much_they_hide() -> None:
    counts, hidden = [], []
    for level in LEVELS:
        samples = _scenes(objects=level)
        counts.append(np.mean([len(s.instances.unique()) - 1 for s in samples]))
        hidden.append(1 - _share(samples, c.ROAD, c.PAVEMENT, c.LANE_MARK, c.BUILDING))
    assert counts[0] == 0 and counts[1] > 3 and counts[2] > 1.4 * counts[1], counts
    assert hidden[0] < hidden[1] < hidden[2], hidden


def test_imbalance_sets_how_rare_the_rare_classes_are() -> None:
    ratio = []
    for level in LEVELS:
        data = StreetScenes(imbalance=level)
        kinds = np.zeros(len(CLASSES))
        for i in range(80):
            scene = data.scene(i)
            for thing in scene.things:
                if thing.instance:
                    kinds[scene.materials.labels[thing.base + 1]] += 1
        rest = kinds[[c.PEDESTRIAN, c.BICYCLIST, c.BUS]].mean()
        ratio.append(kinds[c.CAR] / rest)
    assert ratio[0] < 1.5 and 2.0 < ratio[1] < 10.0 and ratio[2] > 2 * ratio[1], ratio


def test_light_multiplies_each_band_of_a_picture_and_leaves_the_labels() -> None:
    clean = {"noise": 0.0, "size": (32, 48)}
    for strength in (1.0, 2.0):
        found = []
        for a, b in zip(_scenes(60, **clean), _scenes(60, **clean, light=strength), strict=True):
            seen = (a.image > 1e-3) & (a.image < 0.98) & (b.image < 0.98)
            ratios = [(b.image[k] / a.image[k])[seen[k]].log() for k in range(3)]
            assert all(float(r.std()) < 1e-4 for r in ratios if len(r) > 1)
            found.append([float(r.mean()) for r in ratios])
            assert torch.equal(a.labels, b.labels) and torch.equal(a.instances, b.instances)
        logs = np.array([row for row in found if np.isfinite(row).all()])  # a band may be white throughout
        assert len(logs) > 55
        common, cast = logs.mean(1), logs - logs.mean(1, keepdims=True)
        spread = np.sqrt(0.35**2 + 0.2**2 / 3)  # of the mean of three bands
        assert abs(common.mean()) < 0.12 * strength and 0.75 < common.std() / spread / strength < 1.25
        assert 0.75 < np.sqrt((cast**2).sum(1).mean() / 2) / 0.2 / strength < 1.25


def test_light_is_the_cameras_grain_aside_and_stays_within_a_scene() -> None:
    """Grain is added after the light, so it does not grow with it; two moments of a scene share their light."""
    grain = []
    for light in (0.0, 2.0):
        noisy, clean = (_scenes(12, noise=n, light=light, shadows=0.0, objects=0.0, motion=True) for n in (1.0, 0.0))
        inside = [(b.image > 0.1) & (b.image < 0.9) for b in clean]
        sky = [(s.labels == c.SKY) & i.all(0) for s, i in zip(clean, inside, strict=True)]  # no grain of surfaces
        found = [(a.image - b.image)[:, m] for a, b, m in zip(noisy, clean, sky, strict=True)]
        grain.append(float(torch.cat(found, 1).std()))
        for s in clean:
            assert s.next_image is not None
            assert abs(float(s.next_image.mean() - s.image.mean())) < 0.02
    assert abs(grain[1] / grain[0] - 1) < 0.05, grain


def test_light_is_off_by_default_and_its_strength_is_checked() -> None:
    for a, b in zip(StreetScenes(length=4), StreetScenes(length=4, light=0), strict=True):
        assert torch.equal(a.image, b.image)
    with pytest.raises(ValueError, match="light got 3; it goes from 0"):
        StreetScenes(light=3)
    with pytest.raises(TypeError, match="light got 'dusk'"):
        StreetScenes(light="dusk")  # type: ignore[arg-type]
    data = data_set("street", "test", size=(32, 48), length=1, ambiguity=2, imbalance=0, light=1)
    assert data.knobs == Knobs(ambiguity=2, imbalance=0, light=1)


@pytest.mark.parametrize("knob", ["thin", "ambiguity", "noise", "shadows", "objects", "imbalance"])
def test_a_knob_changes_the_picture_and_one_is_the_default(knob: str) -> None:
    plain = StreetScenes(length=4)
    assert all(torch.equal(a.image, b.image) for a, b in zip(plain, StreetScenes(length=4, **{knob: 1.0}), strict=True))
    turned = StreetScenes(length=4, **{knob: 0.0})
    assert all(not torch.equal(a.image, b.image) for a, b in zip(plain, turned, strict=True))


def test_no_knob_moves_the_street_itself() -> None:
    plain, turned = StreetScenes(), StreetScenes(ambiguity=0, noise=2, shadows=0, objects=2, imbalance=2, light=2)
    for i in range(5):
        a, b = plain.scene(i).street, turned.scene(i).street
        assert (a.focal, a.half_width, a.bend, a.sun_tan, a.camera_x) == (
            b.focal,
            b.half_width,
            b.bend,
            b.sun_tan,
            b.camera_x,
        )


def test_domains_look_different_and_the_foreign_one_drives_on_the_left() -> None:
    light, far, side = {}, {}, {}
    for domain in ("day", "dusk", "fog", "foreign"):
        samples = _scenes(20, domain=domain)
        light[domain] = np.mean([s.image.mean().item() for s in samples])
        distant = [s.image[:, (s.depth > 60) & (s.labels == c.BUILDING)] for s in samples]
        far[domain] = np.mean([pixels.std(1).mean().item() for pixels in distant if pixels.shape[1] > 50])
        side[domain] = StreetScenes(domain=domain).scene(0).street.camera_x > 0
    assert light["dusk"] < 0.75 * light["day"]
    assert far["fog"] < 0.6 * far["day"]  # distance takes the contrast
    assert side == {"day": True, "dusk": True, "fog": True, "foreign": False}


def test_a_scene_is_the_same_at_every_size() -> None:
    small, large = StreetScenes(length=12), StreetScenes(length=12, size=(192, 256))
    agree = [(a.labels == b.labels[1::2, 1::2]).float().mean().item() for a, b in zip(small, large, strict=True)]
    assert np.mean(agree) > 0.93, agree
    depth = [(a.depth / b.depth[1::2, 1::2]).median().item() for a, b in zip(small, large, strict=True)]
    assert np.allclose(depth, 1.0, atol=0.03)


def test_the_widest_picture_shows_more_of_the_same_scene() -> None:
    normal, wide = StreetScenes(length=10), StreetScenes(length=10, size=(96, 192))
    for k in (c.ROAD, c.SKY, c.BUILDING):
        a, b = _share(list(normal), k), _share(list(wide), k)
        assert 0.6 * a < b < 1.7 * a, CLASSES[k]
