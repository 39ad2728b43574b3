"""`segkit bench`: which networks the words of its command line name, at which size."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from segkit.analysis import cost
from segkit.cli import bench_entrants, main
from segkit.cli.bench_entrants import Entrant, entrants
from segkit.models import available, options
from segkit.models.base import _MODELS
from tests.cli.test_bench import TINY, of

PAPERS = {  # parameters without auxiliary scores, with 19 classes
    "espnet": 363_462, "ddrnet": 5_695_987, "ddrnet:base=23": 20_148_947, "ddrnet:base=39": 32_360_275,
    "bisenet": 12_894_163, "bisenet:encoder=xception39": 1_541_963, "dfanet:base=B": 1_098_627,
    "espnetv2:width=64": 232_768, "esnet": 1_661_522, "sfsegnet": 12_869_715, "hrnet:base=18": 9_641_119,
}  # fmt: skip


def named(*words: str, width: int | str = "paper") -> list[Entrant]:
    o = argparse.Namespace(models=words, weights=None, peers=False, training=False, compiled=False, width=width)
    return [e for group in entrants(o) for e in group]


def test_light_networks_are_measured_at_their_papers_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_entrants, "CLASSES", range(19))
    for e, word in zip(named(*PAPERS), PAPERS, strict=True):
        with torch.device("meta"):
            found = cost(e.make().eval(), (3, 64, 64)).parameters
        assert found == PAPERS[word], e.name
        name, default = e.model["name"], options(e.model["name"])["width"]
        assert e.model["width"] == (64 if word == "espnetv2:width=64" else default) and word.startswith(name)


def test_only_training_needs_auxiliary_scores() -> None:
    assert [e.model.get("aux") for e in named("bisenet", "ann", "bisenet:aux=True", "enet")] == [
        False,
        False,
        True,
        None,
    ]
    o = argparse.Namespace(models=["bisenet", "ann"], weights=None, peers=False, training=True, compiled=False, width=8)
    assert [options(e.model["name"])["aux"] for [e] in entrants(o)] == [True, False]
    assert all("aux" not in e.model for [e] in entrants(o))


def test_all_are_measured_where_none_is_named() -> None:
    """The light networks among them, each at the width that was given."""
    everything = named(width=8)
    assert [e.name for e in everything] == available()
    assert {"enet", "icnet", *(word.partition(":")[0] for word in PAPERS)} <= {e.name for e in everything}
    assert {e.model["width"] for e in everything} == {8}


def test_the_papers_width_is_the_one_without_an_option() -> None:
    """As each docstring says; where it says nothing it points to another one."""
    said = {name: re.search(r"(\d+) is\s+the\s+paper's", _MODELS[name][0].__doc__ or "") for name in available()}
    assert [name for name, found in said.items() if found is None] == ["deeplab_v3_cascade", "hmsa", "hrnet_ocr"]
    assert all(int(found[1]) == options(name)["width"] for name, found in said.items() if found)


def test_a_row_keeps_the_options_and_two_of_one_network_stand_beside_each_other(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "b.json"
    command = ["bench", "enet", "enet:decoder=mirror:rates=1,2,4,8", *TINY, "--out", str(out)]
    assert main(command) == main(command) == 0
    arms = list(of(out)["arms"].items())
    assert [arm["model"] for _, arm in arms] == [
        {"name": "enet", "width": 2}, {"name": "enet", "width": 2, "decoder": "mirror", "rates": [1, 2, 4, 8]}
    ]  # fmt: skip
    assert arms[1][0].startswith("enet:decoder=mirror:rates=1,2,4,8, 32×48")
    assert "enet:decoder=mirror" in capsys.readouterr().out


@pytest.mark.parametrize(("word", "message"), [
    ("ddrnet:base=40", "base"),
    ("ddrnet:depth=39", "ddrnet takes no option depth; it takes base, width"),
    ("ddrnet:39", "ddrnet:39 got '39'; it takes NAME=VALUE, such as base=…"),
    ("enet:num_classes=3", "takes no option num_classes"),
    ("enet:width=0", "width"),
])  # fmt: skip
def test_options_that_cannot_be_are_named_before_anything_is_measured(word: str, message: str, capsys: Any) -> None:
    assert main(["bench", "enet", word, *TINY]) == 1
    told = capsys.readouterr()
    assert message in told.err and "Traceback" not in told.err and not told.out


def test_words_of_no_model_and_widths_of_no_number_are_refused(capsys: Any) -> None:
    for words, message in ((["unett:width=2"], "there is no model 'unett'"), (["unet", "--width", "wide"], "or paper")):
        with pytest.raises(SystemExit):
            main(["bench", *words])
        assert message in capsys.readouterr().err
