"""LineageExplorer: two answers compared, weights found in a folder and missed, the chart, clicks."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import segkit.models
from segkit.data.sample import VOID, Sample
from segkit.explore import LineageExplorer
from segkit.explore.lineage import LINEAGE, compare, shipped

CLASSES = ("left", "middle", "right")


class Knows(nn.Module):
    """A convolution that costs something, and an answer that is true up to a column."""

    def __init__(self, column: int) -> None:
        super().__init__()
        self.conv, self.column = nn.Conv2d(3, column, 1), column

    def forward(self, x: Tensor) -> Tensor:
        self.conv(x)
        labels = sample().labels.clone()
        labels[:, self.column :] = 0
        return nn.functional.one_hot(labels, 3).movedim(-1, 0)[None].float()


def sample(void: bool = False) -> Sample:
    labels = torch.arange(3).repeat_interleave(32).expand(64, 96).clone()
    if void:
        labels[:, 64:] = VOID
    return Sample(torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(0)), labels)


def explorer() -> LineageExplorer:
    networks = {"short": Knows(40), "middle": Knows(64), "long": Knows(96)}
    return LineageExplorer(networks, [sample(), sample(void=True)], CLASSES)


def save(folder: Path, key: str, **facts: object) -> None:
    torch.manual_seed(0)
    segkit.models.save(segkit.models.create("unet", 3, width=2), folder / f"lineage_{key}.safetensors", **facts)


def test_two_answers_compared() -> None:
    labels = torch.tensor([[0, 0, 1, 1, VOID]])
    a, b = torch.tensor([[0, 0, 1, 0, 0]]), torch.tensor([[0, 1, 1, 0, 1]])
    found = compare(("a", "b"), (a, b), labels, 2)
    assert found.differ == 0.25 and found.settled == (1.0, 0.0), "void counts nowhere"
    assert found.iou[0] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found.near[0] == pytest.approx((1 / 2 + 1 / 2) / 2), "pixels 1 to 3 are within 1 of the outline"
    same = compare(("a", "a"), (a, a), labels, 2)
    assert same.differ == 0 and math.isnan(same.settled[0])


def test_menus_choose_the_networks_and_the_scene() -> None:
    e = explorer()
    assert e.results.names == ("short", "long") and e.results.iou[1] == 1
    assert "short: IoU" in e.caption.value and "long is right on 100 %" in e.caption.value
    assert e.results.differ == pytest.approx(56 / 96)
    e.controls["left"].value = "long"
    assert "They agree on every pixel." in e.caption.value
    e.controls["left"].value = "short"
    e.controls["scene"].value = 1
    assert e.results.differ == pytest.approx(24 / 64), "the third third is void here"


def test_labels_or_errors() -> None:
    e = explorer()
    shown = e.parts["pictures"]["left"]
    before = shown.get_array().copy()
    e.controls["show"].value = "errors"
    colours = {tuple(c) for c in shown.get_array().reshape(-1, 3).tolist()}
    assert len(colours) == 2 and (shown.get_array() != before).any()


def test_each_network_answers_a_scene_once() -> None:
    e, asked = explorer(), []
    for one in e.ancestors.values():
        one.network.register_forward_hook(lambda *_: asked.append(1))
    for row in (3, 4, 5):
        e.controls["row"].value = row
    assert not asked
    e.controls["scene"].value = 1
    assert len(asked) == 2


def test_costs_and_clicks() -> None:
    e = explorer()
    assert {n: a.macs for n, a in e.ancestors.items()} == {n: 64 * 96 * 3 * c for n, c in
                                                           (("short", 40), ("middle", 64), ("long", 96))}  # fmt: skip
    axes = e.parts["pictures"]["truth"].axes
    e.picture.x, e.picture.y = e.canvas.point(axes, 80, 12)
    assert (e["row"], e["column"]) == (12, 80) and "In the ring: left and right; it is right" in e.caption.value


def test_weights_of_a_folder_and_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no lineage_\*.safetensors in .*lineage.py lineage` makes them"):
        LineageExplorer(tmp_path)
    save(tmp_path, "unet", metrics={"mean_iou": 0.4})
    save(tmp_path, "fcn8s", metrics={"mean_iou": 0.2})
    save(tmp_path, "of_another_kind")
    assert list(shipped(tmp_path)) == ["FCN-8s", "U-Net"]
    e = LineageExplorer(tmp_path, [sample()], CLASSES)
    assert e.missing == [name for name in LINEAGE.values() if name not in ("FCN-8s", "U-Net")]
    assert "DeepLab v3+" in e.canvas.figure.texts[0].get_text()
    assert [e.ancestors[n].recorded for n in ("FCN-8s", "U-Net")] == [0.2, 0.4]
    e.controls["right"].value = "FCN-8s"
    macs, score = e.parts["dots"]["right"].get_data()
    assert score[0] == pytest.approx(20) and macs[0] == pytest.approx(e.ancestors["FCN-8s"].macs / 1e6)
    x, y = e.canvas.point(e.parts["chart"], macs[0], 39)
    e.picture.x, e.picture.y = x, y
    assert e["right"] == "U-Net", "the nearest in the chart"


def test_the_pair_before_stays_as_a_ghost(tmp_path: Path) -> None:
    save(tmp_path, "unet", metrics={"mean_iou": 0.4})
    save(tmp_path, "fcn8s", metrics={"mean_iou": 0.2})
    e = LineageExplorer(tmp_path, [sample()], CLASSES)
    assert len(e.parts["ghost"].get_data()[0]) == 0
    e.controls["left"].value = "U-Net"
    assert sorted(e.parts["ghost"].get_data()[1]) == pytest.approx([20, 40])
    e.controls["row"].value = 3
    assert len(e.parts["ghost"].get_data()[0]) == 0


def test_the_lineage_has_the_names_of_its_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "course" / "experiments"))
    import lineage

    assert [(name, key) for key, name in LINEAGE.items()] == list(lineage.KEYS.items())


def test_refuses() -> None:
    with pytest.raises(ValueError, match="no networks; give"):
        LineageExplorer({})
    with pytest.raises(ValueError, match="got U-Net with 4 classes for pictures that have 3"):
        LineageExplorer({"U-Net": segkit.models.create("unet", 4, width=2)}, [sample()], CLASSES)
