"""Which IoU is this? One prediction, scored as papers, libraries and challenge servers score theirs.

All of them begin with the same four counts for each picture and class and part company afterwards, in five places: over
what they average, what a class counts that is not there, what void costs, whether background is a class, and which mean
they take. `Convention` names the five choices, `CONVENTIONS` the combinations that people meet.

Sources, in the versions that the tests ran: segmentation_models_pytorch 0.6.0 `metrics/functional.py`; torchmetrics
1.9.0 `functional/classification/jaccard.py` and `segmentation/mean_iou.py`; mmsegmentation 1.2.2 `iou_metric.py`;
cityscapesScripts 2.3.0 `evalPixelLevelSemanticLabeling.py`; read and not run: VOC's devkit, `VOCevalseg.m`, and the
development kit of MIT's scene parsing challenge (ADE20K), `utils_eval.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from segkit.checks import chosen, whole
from segkit.labels import Labels
from segkit.metrics.counting import count_pairs, label_maps
from segkit.typed import typed

POOLS = ("data set", "batch", "picture")
ABSENT = ("left out", "zero", "one", "undefined")
VOIDS = ("ignored", "false positive", "a class")
MEANS = ("classes", "pairs", "pixels")


@dataclass(frozen=True)
class Convention:
    """One way from counted pixels to a single figure.

    Args:
        over: what is divided once: the counts of the whole "data set", of each "batch", or of each "picture".
        absent: what a class scores that neither the truth nor the prediction has: "left out" of the mean, "zero",
            "one", or "undefined", which makes the whole mean NaN. (A class that is only predicted always scores 0.)
        void: void pixels are "ignored"; or what is predicted on them is a "false positive"; or that, and void is
            "a class" too, which nobody predicts.
        background: whether class 0 is one of the classes that are averaged.
        mean: over "classes", then over pools; over all "pairs" of a pool and a class; or no mean over classes at all:
            the "pixels" of all classes are summed up before they are divided.
        who: who reports this figure.

    Raises:
        ValueError: a choice that is none of these.
    """

    over: str = "data set"
    absent: str = "left out"
    void: str = "ignored"
    background: bool = True
    mean: str = "classes"
    who: str = ""

    def __post_init__(self) -> None:
        for name, options in (("over", POOLS), ("absent", ABSENT), ("void", VOIDS), ("mean", MEANS)):
            chosen(getattr(self, name), name, "Convention", options)

    @property
    def definition(self) -> str:
        """One line that says how the figure is made."""
        pools = {"data set": "one matrix", "batch": "per batch", "picture": "per picture"}
        means = {"classes": "", "pairs": "a vote per picture and class", "pixels": "all classes in one sum"}
        absent = {"zero": "absent as 0", "one": "absent as 1", "undefined": "undefined if a class is absent"}
        voids = {"ignored": "", "false positive": "void as false positives", "a class": "void as a class"}
        parts = (
            pools[self.over], means[self.mean], absent.get(self.absent, "absent left out"), voids[self.void],
            "" if self.background else "class 0 left out",
        )  # fmt: skip
        return "; ".join(part for part in parts if part)


CONVENTIONS = {
    "data set": Convention(who="segkit, FCN's formula"),
    "absent as 0": Convention(absent="zero"),
    "absent as 1": Convention(absent="one"),
    "void as false positive": Convention(void="false positive"),
    "without background": Convention(background=False),
    "mean over batches": Convention("batch"),
    "mean over pictures": Convention("picture"),
    "over pictures, absent as 0": Convention("picture", "zero"),
    "smp micro": Convention(mean="pixels", who='iou_score(…, "micro")'),
    "smp macro": Convention(absent="one", who='iou_score(…, "macro")'),
    "smp micro-imagewise": Convention("picture", "one", mean="pixels", who='iou_score(…, "micro-imagewise")'),
    "smp macro-imagewise": Convention("picture", "one", who='iou_score(…, "macro-imagewise")'),
    "torchmetrics JaccardIndex": Convention(who="MulticlassJaccardIndex(K, ignore_index=255)"),
    "torchmetrics MeanIoU": Convention("picture", void="a class", mean="pairs", who="MeanIoU(K + 1); knows no void"),
    "mmsegmentation": Convention(who="IoUMetric"),
    "VOC": Convention(absent="undefined", who="VOCevalseg.m"),
    "Cityscapes": Convention(who="evalPixelLevelSemanticLabeling.py"),
    "ADE20K": Convention(absent="zero", who="utils_eval.py"),
}


@dataclass(frozen=True)
class Counts:
    """Pixels of each picture and class.

    Args:
        both: of the class and called so. Shape: N×K.
        truth: of the class. Shape: N×K.
        claimed: called so, where the truth is known. Shape: N×K.
        on_void: called so where the truth is void. Shape: N×K.
        void: void pixels. Shape: N.
    """

    both: Tensor
    truth: Tensor
    claimed: Tensor
    on_void: Tensor
    void: Tensor


@typed
def picture_counts(
    predictions: Iterable[Labels], targets: Iterable[Labels], num_classes: int, ignore_index: int | None = 255
) -> Counts:
    """Count each picture by itself; see `iou_conventions` for the arguments."""
    K = whole(num_classes, "num_classes", "picture_counts", 1)
    predictions, targets, rows, voids = list(predictions), list(targets), [], []
    if len(predictions) != len(targets) or not targets:
        raise ValueError(
            f"got {len(predictions)} predictions and {len(targets)} targets; give one of each for every picture, as a "
            "list of H×W or as N×H×W"
        )
    for prediction, target in zip(predictions, targets, strict=True):
        p, t = label_maps(prediction, target, K)
        n = count_pairs(p, t, K, ignore_index)  # K, K; raises
        on_void = p[t == ignore_index] if ignore_index is not None else p[:0].flatten()
        named = on_void[(on_void >= 0) & (on_void < K)]  # a prediction of void on void claims nothing
        rows.append(torch.stack([n.diagonal(), n.sum(1), n.sum(0), torch.bincount(named, minlength=K).cpu()]))  # 4, K
        voids.append(len(on_void))
    both, truth, claimed, void_claims = torch.stack(rows, 1).double()  # N, K each
    return Counts(both, truth, claimed, void_claims, torch.tensor(voids).double())


@typed
def mean_iou_as(convention: Convention, counts: Counts, batch: int = 4) -> float:
    """The one figure that a convention makes of counted pixels.

    Args:
        convention: how.
        counts: of each picture, from `picture_counts`.
        batch: pictures in a batch, for conventions over batches; the last may be smaller.

    Returns:
        0–1; NaN if nothing is counted, or where the convention says "undefined".
    """
    both, union = counts.both, counts.truth + counts.claimed - counts.both  # N, K
    if convention.void != "ignored":
        union = union + counts.on_void
    if convention.void == "a class":
        both = torch.cat([both, torch.zeros_like(counts.void)[:, None]], 1)  # N, K+1
        union = torch.cat([union, counts.void[:, None]], 1)
    if not convention.background:
        both, union = both[:, 1:], union[:, 1:]
    size = {"data set": len(both), "batch": whole(batch, "batch", "mean_iou_as", 1), "picture": 1}[convention.over]
    both, union = (torch.stack([part.sum(0) for part in x.split(size)]) for x in (both, union))  # pools, K
    if convention.mean == "pixels":
        both, union = both.sum(1, keepdim=True), union.sum(1, keepdim=True)  # pools, 1
    iou = both / union  # NaN (0/0): nothing there and nothing claimed
    if convention.absent in ("zero", "one"):
        iou = iou.nan_to_num(float(convention.absent == "one"))
    if convention.absent == "undefined":
        return float(iou.mean())
    return float(iou.nanmean() if convention.mean == "pairs" else iou.nanmean(1).nanmean())


def iou_conventions(
    predictions: Iterable[Labels],
    targets: Iterable[Labels],
    num_classes: int,
    ignore_index: int | None = 255,
    batch: int = 4,
) -> dict[str, float]:
    """The same prediction under every convention of `CONVENTIONS`, by name, each 0–1.

    Args:
        predictions: pictures H×W of labels (or scores K×H×W), which may differ in size; a tensor N×H×W is N pictures.
        targets: as many pictures H×W.
        num_classes: K.
        ignore_index: the true label that is void, or None.
        batch: pictures in a batch for the mean over batches.

    Returns:
        Figures by name; `CONVENTIONS[name].definition` and `.who` say what each is.

    Raises:
        TypeError, ValueError: as `ConfusionMatrix.update`; or not as many predictions as targets, or none.
    """
    counts = picture_counts(predictions, targets, num_classes, ignore_index)
    return {name: mean_iou_as(convention, counts, batch) for name, convention in CONVENTIONS.items()}
