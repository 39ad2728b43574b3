"""The networks of the page "Try a network here": the labels are torch's, in Python and in a browser."""

from __future__ import annotations

import base64
import functools
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networks  # of the site's own folder
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from playwright.sync_api import Browser
from vendor import NotToBeHad

from segkit.data import StreetScenes
from segkit.explore.lineage import shipped
from segkit.inference import Segmenter
from segkit.models import read_header
from segkit.viz import to_picture
from tests.onnx_session import onnx_session
from tests.site.alive import EXPORTED, alone
from tests.site.served import QUIET, REFUSED, Served, bare, check_labels, drop, labels, network, picture, png, said

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = shipped(ROOT / "course" / "weights")
OLD = tuple(int(n) for n in torch.__version__.split(".")[:2]) < (2, 8)
pytestmark = [
    pytest.mark.skipif(OLD, reason="torch before 2.8 exports no network of open sizes"),
    pytest.mark.xdist_group("networks"),  # one page with all that it has loaded
]
for module in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(module, reason="ONNX needs the test extra: onnx, onnxscript, onnxruntime")
SIZES = ((96, 128), (networks.LEAST, 49), (75, 131), (200, 97))


@functools.cache
def street() -> np.ndarray:
    """H×W×3, with room for every size."""
    return to_picture(StreetScenes("test", size=(240, 320))[4].image)


@pytest.fixture(scope="module")
def static() -> Path:
    """What the page needs but for the runtime, where the site's build has it: made once, it serves both."""
    with alone("networks"):
        networks.export_networks(EXPORTED)
    return EXPORTED


def manifest(static: Path) -> dict[str, Any]:
    text = (static / "networks" / "networks.js").read_text(encoding="utf-8")
    return json.loads(text.removeprefix("window.segkitNetworks = ").removesuffix(";\n"))


def unpacked(one: dict[str, Any]) -> np.ndarray:
    """H×W×3 of a street in the manifest."""
    return np.array(Image.open(io.BytesIO(base64.b64decode(one["picture"].partition(",")[2]))))


@pytest.mark.parametrize("name", WEIGHTS)
def test_the_exported_network_is_the_network(static: Path, name: str) -> None:
    """Logits within 1e-4 and the same labels, for sizes that were not traced too."""
    key = WEIGHTS[name].stem.removeprefix("lineage_")
    session = onnx_session(static / "networks" / f"{key}.onnx")
    for height, width in SIZES:
        pixels = street()[:height, :width]
        x = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255  # 1, 3, H, W
        with torch.no_grad():
            logits = network(key)(x)
        (theirs,) = session.run(["logits"], {"picture": x.numpy()})
        torch.testing.assert_close(torch.from_numpy(theirs), logits, rtol=0, atol=1e-4)
        check_labels(theirs.argmax(1)[0], key, pixels)


def test_the_files_are_small_and_say_nothing_of_the_machine(static: Path) -> None:
    for weights in WEIGHTS.values():
        data = (static / "networks" / f"{weights.stem.removeprefix('lineage_')}.onnx").read_bytes()
        assert len(data) < 1.05 * weights.stat().st_size + 50_000, f"{weights.stem}: stored in 32 bits?"
        for word in (str(ROOT), "site-packages", "stack_trace", "/torch/"):
            assert word.encode() not in data, word


def test_the_manifest_says_what_the_weights_say(static: Path) -> None:
    told = manifest(static)
    assert [n["name"] for n in told["networks"]] == list(WEIGHTS)
    for facts, weights in zip(told["networks"], WEIGHTS.values(), strict=True):
        header = read_header(weights)
        assert facts["classes"] == header["classes"] and facts["palette"] == header["palette"]
        assert facts["metrics"]["mean_iou"] == header["metrics"]["mean_iou"]
        assert facts["provenance"]["commit"] == header["provenance"]["commit"]
        assert facts["bytes"] == (static / "networks" / f"{facts['key']}.onnx").stat().st_size
        assert (ROOT / "course" / f"{Path(facts['page']).stem}.ipynb").is_file()
    for one in told["streets"]:
        told_labels = np.concatenate([np.full(n, label) for label, n in one["labels"]])
        assert np.array_equal(told_labels, networks.labels_of(network(told["first"]), unpacked(one)).ravel())


def test_what_is_there_from_the_same_weights_is_kept(static: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise RuntimeError("exported again")

    monkeypatch.setattr(torch.onnx, "export", never)
    networks.export_networks(static)
    monkeypatch.setattr(networks, "_digest", lambda weights: "of other weights")
    with pytest.raises(RuntimeError, match="exported again"):
        networks.export_networks(static)


@pytest.fixture(scope="module")
def served(static: Path, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    try:
        with alone("networks"):
            networks.export(static)
    except NotToBeHad as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(static, folder / "_static")
    shutil.copytree(ROOT / "site" / "static", folder / "_static", dirs_exist_ok=True)
    bare(folder)
    found = Served(folder, browser)
    yield found
    found.server.shutdown()
    assert not found.errors, found.errors


@pytest.fixture(scope="module")
def live(served: Served) -> Any:
    """The page after its button: it has run U-Net on its first street."""
    page = served.visit()
    page.click("button.sk-try-button")
    page.wait_for_function(f"{QUIET} && segkitTry.page.shown.answers[0].told.includes(' ms')")
    return page


PHONE = {"has_touch": True, "is_mobile": True}


@pytest.mark.parametrize(("width", "more"), [(1280, {}), (390, PHONE)], ids=["desktop", "phone"])
def test_the_page_opens_with_a_street_and_loads_nothing_before_it_is_asked(
    served: Served, width: int, more: dict[str, Any]
) -> None:
    before = len(served.requests)
    page = served.visit(width, 844, **more)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert not [r.url for r in served.requests[before:] if r.url.endswith((".onnx", ".wasm"))]
    assert "worked out when this page was made" in page.inner_text("figcaption")
    assert page.locator(".sk-try-legend tbody tr").count() > 5
    page.locator(".sk-try-stage").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator(".sk-try-point").get_attribute("aria-live") == "polite"
    targets = [
        page.locator(c).first for c in (".sk-try-chooser", ".sk-try-streets button", "select", "#sk-try-opacity")
    ]
    assert min(target.bounding_box()["height"] for target in targets) >= 44, "a finger needs 44 pixels"
    page.context.close()


def test_every_network_gives_torchs_labels_in_the_browser(live: Any, static: Path) -> None:
    """Pixel for pixel on the first street, where no two scores are level in any network."""
    told, seen = manifest(static), picture(live)
    assert np.array_equal(seen, unpacked(told["streets"][0]))
    for facts in told["networks"]:
        assert np.array_equal(labels(live, facts["key"], None), networks.labels_of(network(facts["key"]), seen)), facts
    live.select_option("#sk-try-network", "fcn32s")
    live.select_option("#sk-try-beside", "truth")
    live.wait_for_function(f"{QUIET} && segkitTry.page.shown.answers.length === 2")
    shown = np.reshape(live.evaluate("segkitTry.page.shown.answers.map(a => [...a.labels])"), (2, *seen.shape[:2]))
    assert np.array_equal(shown[0], networks.labels_of(network("fcn32s"), seen))
    assert np.array_equal(shown[1], networks._street("day")[1].numpy())


def test_a_dropped_picture_is_seen_as_segkit_predict_sees_it(live: Any) -> None:
    live.select_option("#sk-try-network", "unet")
    drop(live, png(street()[:201, :303]), "street.png", "image/png")
    assert "U-Net sees" in said(live) and np.array_equal(picture(live), street()[:201, :303])
    check_labels(labels(live, "unet", None), "unet", picture(live))
    side = int(live.input_value("#sk-try-side"))
    image = torch.from_numpy(picture(live).copy()).permute(2, 0, 1)  # 3, H, W
    other = labels(live, "unet", side) != Segmenter(network("unet"), side)(image).numpy()
    assert side == 144 and other.mean() < 2e-4, "resized and enlarged, where sums are rounded in another order"


def test_a_photograph_is_turned_upright(live: Any) -> None:
    exif = Image.Exif()
    exif[274] = 6  # lies on its side
    jpeg = png(street(), format="JPEG", quality=95, subsampling=0, exif=exif)
    live.set_input_files("#sk-try-file", {"name": "phone.jpg", "mimeType": "image/jpeg", "buffer": jpeg})
    live.wait_for_function(f"{QUIET} && segkitTry.page.picture.height === 320")
    upright = np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(jpeg))))
    assert picture(live).shape == upright.shape and np.abs(picture(live).astype(int) - upright).mean() < 1
    check_labels(labels(live, "unet", None), "unet", picture(live))


def test_grey_transparent_and_large_pictures(live: Any) -> None:
    grey = street()[:100, :140, 1]
    drop(live, png(grey), "grey.png", "image/png")
    assert np.array_equal(picture(live), np.repeat(grey[..., None], 3, 2))
    drop(live, png(np.dstack([street()[:100, :140], np.zeros((100, 140), np.uint8)])), "clear.png", "image/png")
    assert (picture(live) == 255).all() and "taken as white" in said(live)
    drop(live, png(np.full((1600, 2000, 3), 90, np.uint8)), "large.png", "image/png")
    height, width = live.evaluate("(p => [p.height, p.width])(segkitTry.page.picture)")
    assert 2_000_000 < height * width <= 2048 * 1024 and "made smaller, to" in said(live)


@pytest.mark.parametrize(("data", "name", "kind", "word"), [
    (b"no picture", "notes.txt", "text/plain", "“notes.txt” is not a picture that this browser can read"),
    (b"\xff\xd8\xff\xe0 cut short", "cut.jpg", "image/jpeg", "“cut.jpg” is not a picture"),
    (png(np.zeros((20, 30), np.uint8)), "tiny.png", "image/png", "30×20 pixels, and these networks need 48 or more"),
    (png(np.zeros((48, 30000), np.uint8)), "thin.png", "image/png", "too long and thin"),
], ids=["text", "damaged", "small", "thin"])  # fmt: skip
def test_what_cannot_be_taken_is_refused_in_words(live: Any, data: bytes, name: str, kind: str, word: str) -> None:
    drop(live, png(street()[:96, :128]), "street.png", "image/png")
    assert "sees" in said(live)
    drop(live, data, name, kind)
    assert word in said(live) and "sk-try-wrong" in live.get_attribute(".sk-try-status", "class")
    assert live.evaluate("[segkitTry.page.shown.picture.width, segkitTry.page.picture.width]") == [128, 128]


def test_nothing_is_uploaded(served: Served, live: Any) -> None:
    """No request with a body, none to another server; a further picture makes no request at all."""
    before = len(served.requests)
    drop(live, png(street()[::-1]), "another.png", "image/png")
    late = [r.url for r in served.requests[before:] if not r.url.startswith(("data:", "blob:"))]
    assert "sees" in said(live) and not late
    assert any(r.url.endswith(".wasm") for r in served.requests), "the test sees no requests"
    for request in served.requests:
        assert request.method == "GET" and not request.post_data, request.url
        assert request.url.startswith((served.base, "data:", "blob:")), request.url
    assert live.evaluate(REFUSED) == "connect-src", "the browser lets the page speak to another server"


def test_a_page_from_a_file_says_what_to_do(served: Served) -> None:
    page = served.browser.new_page()
    page.goto((served.folder / "try.html").as_uri())
    page.wait_for_function("window.segkitTry?.page?.shown")
    assert "opened from a file" in said(page) and page.locator("button.sk-try-button").is_hidden()
    drop(page, png(street()), "street.png", "image/png")
    assert "python3 -m http.server" in said(page)
    page.close()


def test_a_browser_without_webassembly_is_told(served: Served) -> None:
    page = served.browser.new_page()
    page.add_init_script("delete globalThis.WebAssembly")
    page.goto(f"{served.base}/try.html")
    page.wait_for_function("window.segkitTry?.page?.shown")
    assert "need WebAssembly" in said(page)
    page.close()


def test_a_network_that_does_not_come_is_named_and_may_be_tried_again(served: Served) -> None:
    page = served.visit()
    page.route("**/unet.onnx", lambda route: route.abort())
    page.click("button.sk-try-button")
    page.wait_for_function(QUIET)
    page.wait_for_function("document.querySelector('.sk-try-wrong')")
    assert "networks/unet.onnx did not come" in said(page)
    page.unroute("**/unet.onnx")
    page.select_option("#sk-try-side", "64")
    page.wait_for_function("segkitTry.page.shown.answers[0].told.includes(' ms')")
    page.context.close()
