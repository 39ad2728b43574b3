"""StreetScenes: what comes out, that the maps agree with each other, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from segkit.data import Augmented, collate
from segkit.data.street import CLASSES, DOMAINS, PALETTE, THINGS, TO_CAMVID, StreetScenes
from segkit.data.street import classes as c
from segkit.data.street.camera import SKY_DEPTH
from segkit.data.street.render import camera, paint, render

SIZES = [(32, 32), (33, 47), (96, 128), (128, 96), (150, 401)]


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("size", SIZES)
def test_a_sample_has_the_promised_shapes_types_and_ranges(size: tuple[int, int], domain: str) -> None:
    data = StreetScenes("val", size=size, length=3, domain=domain, motion=True)
    for i in range(3):
        s = data[i]
        assert s.image.shape == (3, *size) and s.image.dtype == torch.float32
        assert s.labels.shape == size and s.labels.dtype == torch.int64
        assert s.instances.shape == size and s.instances.dtype == torch.int64
        assert s.depth.shape == size and s.depth.dtype == torch.float32
        assert s.next_image.shape == (3, *size) and s.next_image.dtype == torch.float32
        assert s.flow.shape == (2, *size) and s.flow.dtype == torch.float32
        for picture in (s.image, s.next_image):
            assert 0.0 <= picture.min() < picture.max() <= 1.0
        assert 0 <= s.labels.min() and s.labels.max() < len(CLASSES)
        assert 1.0 <= s.depth.min() and s.depth.max() <= SKY_DEPTH
        assert torch.isfinite(s.flow).all()
        assert s.name == f"street/{domain}/val/{i}"


def test_the_attributes_of_a_data_set() -> None:
    data = StreetScenes()
    assert (len(data), data.num_classes, data.ignore_index, data.name) == (2000, 13, 255, "street")
    assert data.classes == CLASSES and data.palette.shape == (13, 3) and data.palette.dtype == np.uint8
    assert data.classes[8] == "car" and data.things == THINGS == (8, 9, 10, 11)
    assert len(TO_CAMVID) == 13 and set(TO_CAMVID) == set(range(11))
    assert len(StreetScenes("val")) == len(StreetScenes("test")) == 200
    assert [s.name[-2:] for s in StreetScenes(length=2, size=(32, 32))] == ["/0", "/1"]  # it can be looped over


def test_every_class_occurs_and_the_rare_ones_are_rare() -> None:
    data = StreetScenes(length=80)
    pixels = sum(np.bincount(s.labels.numpy().reshape(-1), minlength=13) for s in data)
    share = pixels / pixels.sum()
    assert (share > 0.0005).all(), dict(zip(CLASSES, share, strict=True))
    assert share[c.ROAD] > 20 * share[c.LANE_MARK] and share[c.BUILDING] > 50 * share[c.PEDESTRIAN]


def test_instances_are_the_countable_things_each_of_one_class() -> None:
    found = 0
    for s in StreetScenes(length=40):
        countable = np.isin(s.labels.numpy(), THINGS)
        assert np.array_equal(countable, s.instances.numpy() > 0)
        for number in np.unique(s.instances.numpy()):
            labels = np.unique(s.labels.numpy()[s.instances.numpy() == number])
            assert number == 0 or len(labels) == 1
            found += number > 0
    assert found > 100


def test_one_thing_appears_at_many_scales() -> None:
    heights = []
    for s in StreetScenes(length=30, size=(384, 512)):
        for number in np.unique(s.instances.numpy())[1:]:
            rows = np.flatnonzero((s.instances.numpy() == number).any(axis=1))
            if s.labels[s.instances == number][0] == c.CAR:
                heights.append(rows[-1] - rows[0] + 1)
    assert min(heights) <= 10 and max(heights) >= 95


def test_thin_things_are_one_to_three_pixels_wide() -> None:
    runs: list[int] = []
    for s in StreetScenes(length=40):
        for row in s.labels.numpy()[10:40:5] == c.POLE:
            edges = np.flatnonzero(np.diff(np.concatenate([[0], row.view(np.int8), [0]])))
            runs += list(edges[1::2] - edges[::2])
    runs = [r for r in runs if r < 8]  # a lamp's arm lies along the row
    assert len(runs) > 50 and np.mean(np.array(runs) <= 3) > 0.85


@pytest.mark.parametrize("domain,index", [("day", 0), ("day", 1), ("fog", 5), ("foreign", 9)])
def test_what_is_seen_is_what_is_nearest(domain: str, index: int) -> None:
    """Each thing painted alone into the empty street: the whole scene is the nearest of all of them."""
    data = StreetScenes(domain=domain)
    scene = data.scene(index)
    cam = camera(scene, data.size)
    whole = paint(scene, cam)
    alone = [paint(replace(scene, things=[thing]), cam) for thing in scene.things]
    depths = np.stack([canvas.depth for canvas in alone])
    assert np.array_equal(whole.depth, depths.min(axis=0))
    labels = np.array(scene.materials.labels)
    nearest = np.take_along_axis(np.stack([canvas.key for canvas in alone]), depths.argmin(axis=0)[None], axis=0)[0]
    several = (depths == depths.min(axis=0)).all(axis=0)  # the empty street, or two things at one distance
    assert np.mean(labels[whole.key] == labels[nearest]) > 0.995
    assert np.array_equal(whole.key[several], nearest[several])


def test_depth_is_that_of_a_pinhole_over_flat_ground() -> None:
    data = StreetScenes()
    for index in range(5):
        scene = data.scene(index)
        cam = camera(scene, data.size)
        s = data[index]
        ground = np.isin(s.labels.numpy(), (c.ROAD, c.LANE_MARK))
        rows, _ = np.nonzero(ground)
        expected = cam.focal * cam.height / (rows + 0.5 - cam.cy)
        assert np.allclose(s.depth.numpy()[ground], np.minimum(expected, 600.0), rtol=1e-5)
        assert (s.depth.numpy()[s.labels.numpy() == c.SKY] == SKY_DEPTH).all()


def _agreement(flow: np.ndarray, now: np.ndarray, later: np.ndarray, z: np.ndarray, z_later: np.ndarray) -> tuple:
    """Share of moved pixels that meet their own class, among those that land inside a patch of one class, unhidden."""
    h, w = now.shape
    v, u = np.nonzero(z < SKY_DEPTH)
    x = np.floor(u + 0.5 + flow[0][v, u]).astype(int)
    y = np.floor(v + 0.5 + flow[1][v, u]).astype(int)
    inside = (x >= 1) & (x < w - 1) & (y >= 1) & (y < h - 1)
    u, v, x, y = u[inside], v[inside], x[inside], y[inside]
    patch = np.stack([later[y + j, x + i] for j in (-1, 0, 1) for i in (-1, 0, 1)])
    plain = (patch == patch[0]).all(axis=0) & (z_later[y, x] > 0.8 * z[v, u])  # nothing much nearer came before it
    return np.mean(now[v, u][plain] == later[y, x][plain]), plain.sum()


def test_flow_takes_each_visible_pixel_to_its_own_class() -> None:
    data = StreetScenes(length=12, size=(192, 256), motion=True)
    right, wrong, counted = [], [], 0
    for i in range(12):
        scene = data.scene(i)
        later = render(scene, data.size, 1)
        s = data[i]
        assert np.array_equal(s.next_image.numpy(), later.image)
        maps = (s.labels.numpy(), later.labels, s.depth.numpy(), later.depth)
        good, count = _agreement(s.flow.numpy(), *maps)
        right.append(good)
        wrong.append(_agreement(-s.flow.numpy(), *maps)[0])
        counted += count
    assert counted > 12 * 192 * 256 * 0.4
    assert np.mean(right) > 0.998, right
    assert 1 - np.mean(wrong) > 5 * (1 - np.mean(right)), wrong  # the test would notice a flow that points backwards


def test_flow_agrees_with_geometry_to_a_thousandth_of_a_pixel() -> None:
    """For road pixels the flow follows from row, column and the camera's step alone."""
    data = StreetScenes(length=10, motion=True)
    for i in range(10):
        scene = data.scene(i)
        cam, street = camera(scene, data.size), scene.street
        s = data[i]
        v, u = np.nonzero(s.labels.numpy() == c.ROAD)
        z = cam.height * cam.focal / (v + 0.5 - cam.cy)
        v, u, z = v[z < 500], u[z < 500], z[z < 500]
        x = (u + 0.5 - cam.cx) * z / cam.focal
        later = z - street.speed
        new_u, new_v = cam.cx + cam.focal * (x - street.drift) / later, cam.cy + cam.focal * cam.height / later
        assert np.abs(s.flow.numpy()[0, v, u] - (new_u - u - 0.5)).max() < 1e-3
        assert np.abs(s.flow.numpy()[1, v, u] - (new_v - v - 0.5)).max() < 1e-3


def test_flow_explains_the_next_picture() -> None:
    """Fetching each pixel's colour from where the flow says is nearer to the truth than not moving at all."""
    fetched, still = [], []
    for s in StreetScenes(length=10, size=(192, 256), motion=True, noise=0.0):
        grid = torch.stack(torch.meshgrid(torch.arange(256) + 0.5, torch.arange(192) + 0.5, indexing="xy")) + s.flow
        grid = torch.stack([grid[0] / 128 - 1, grid[1] / 96 - 1], dim=-1)[None]
        seen = torch.nn.functional.grid_sample(s.next_image[None], grid, align_corners=False)[0]
        fetched.append((seen - s.image).abs().median().item())
        still.append((s.next_image - s.image).abs().median().item())
    assert np.mean(fetched) < 0.6 * np.mean(still)


def test_true_edges_have_contrast_but_not_all_contrast_is_an_edge() -> None:
    on, off, strong_off = [], [], []
    for s in StreetScenes(length=20):
        step = (s.image[:, :, 1:] - s.image[:, :, :-1]).abs().sum(0).numpy()
        edge = (s.labels[:, 1:] != s.labels[:, :-1]).numpy()
        near = edge.copy()
        near[:, 1:] |= edge[:, :-1]
        near[:, :-1] |= edge[:, 1:]
        on.append(step[edge].mean())
        off.append(step[~near].mean())
        strong_off.append(np.mean(~near[step > np.quantile(step, 0.95)]))
    assert np.mean(on) > 2.5 * np.mean(off)  # a CRF has something to hold on to
    assert np.mean(strong_off) > 0.25  # and something to be misled by


def test_a_void_border_covers_edges_and_nothing_else() -> None:
    plain, bordered = StreetScenes(length=8), StreetScenes(length=8, void_border=1)
    for a, b in zip(plain, bordered, strict=True):
        void = b.labels == 255
        assert torch.equal(a.labels[~void], b.labels[~void]) and torch.equal(a.image, b.image)
        what = a.labels + 256 * a.instances
        edge = torch.zeros_like(void)
        edge[:, 1:] |= what[:, 1:] != what[:, :-1]
        edge[:, :-1] |= what[:, 1:] != what[:, :-1]
        edge[1:] |= what[1:] != what[:-1]
        edge[:-1] |= what[1:] != what[:-1]
        assert torch.equal(void, edge)
    wide = StreetScenes(length=1, void_border=3)[0].labels == 255
    assert wide.sum() > (bordered[0].labels == 255).sum()


def test_a_cache_hands_out_the_same_sample_and_a_transform_is_applied() -> None:
    data = StreetScenes(length=3, cache=True)
    assert data[1] is data[1] and data[-1] is data[2]
    assert torch.equal(data[1].image, StreetScenes(length=3)[1].image)
    dark = StreetScenes(length=1, transform=lambda s: replace(s, image=s.image * 0.5))
    assert torch.equal(dark[0].image, data[0].image * 0.5)


def test_it_works_with_collate_and_augmented() -> None:
    data = StreetScenes(length=4, size=(48, 64), motion=True)
    batch = collate([data[i] for i in range(4)])
    assert batch.image.shape == (4, 3, 48, 64) and batch.flow.shape == (4, 2, 48, 64)
    again = Augmented(data, lambda sample, rng: sample)
    assert torch.equal(again[2].labels, data[2].labels)


def test_supersampling_softens_the_picture_and_leaves_the_maps_alone() -> None:
    a, b = StreetScenes(length=1, noise=0.0)[0], StreetScenes(length=1, noise=0.0, supersample=2)[0]
    assert torch.equal(a.labels, b.labels) and torch.equal(a.depth, b.depth)
    assert 0 < (a.image - b.image).abs().mean() < 0.05


@pytest.mark.parametrize(
    "options,error,words",
    [
        ({"split": "training"}, ValueError, "'train', 'val', 'test'"),
        ({"domain": "night"}, ValueError, "'dusk'"),
        ({"size": 96}, TypeError, r"\(height, width\)"),
        ({"size": (96.0, 128)}, TypeError, "height"),
        ({"size": (16, 128)}, ValueError, "from 32 to 2048"),
        ({"length": -1}, ValueError, "length=-1"),
        ({"seed": -3}, ValueError, "seed=-3"),
        ({"seed": 1.5}, TypeError, "seed=1.5"),
        ({"thin": 2.5}, ValueError, "thin got 2.5"),
        ({"noise": "much"}, TypeError, "noise got 'much'"),
        ({"shadows": float("nan")}, ValueError, "shadows"),
        ({"objects": True}, TypeError, "objects got True"),
        ({"void_border": -1}, ValueError, "void_border"),
        ({"supersample": 0}, ValueError, "supersample"),
    ],
)
def test_bad_options_are_refused_with_what_would_do(options: dict, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        StreetScenes(**options)


def test_an_index_beyond_the_end_is_refused() -> None:
    data = StreetScenes(length=5)
    for index in (5, -6):
        with pytest.raises(IndexError, match="0 to 4"):
            data[index]


def test_the_palette_keeps_neighbours_apart_for_colour_blind_readers() -> None:
    """Machado et al. (2009), severity 1, on linear RGB; distance in that space's luminance-weighted RGB."""
    blindness = {
        "none": np.eye(3),
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    }
    linear = (PALETTE / 255.0) ** 2.2
    for name, matrix in blindness.items():
        seen = np.clip(linear @ np.array(matrix).T, 0, 1) ** (1 / 2.2)
        apart = np.sqrt((((seen[:, None] - seen[None]) * [0.55, 0.77, 0.33]) ** 2).sum(-1)) + np.eye(13)
        i, j = np.unravel_index(apart.argmin(), apart.shape)
        assert apart.min() > 0.12, (name, CLASSES[i], CLASSES[j], apart.min())
