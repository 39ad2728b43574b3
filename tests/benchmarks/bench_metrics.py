"""How fast the metrics are beside torchmetrics, in one process: `python tests/benchmarks/bench_metrics.py`.

8 label maps of 360×480 with 12 classes and 5 % void. torchmetrics' segmentation MeanIoU knows no void, so it gets void
as a thirteenth class; MulticlassConfusionMatrix leaves it out. Prints medians of repeated runs and their ratio to ours.
"""

from __future__ import annotations

import argparse
import platform
import statistics
from collections.abc import Callable

import torch
import torchmetrics
from torchmetrics.classification import MulticlassConfusionMatrix
from torchmetrics.segmentation import MeanIoU

from segkit.analysis import in_turns
from segkit.metrics import BoundaryIoU, ConfusionMatrix, TrimapIoU

CLASSES, VOID = 12, 255


def label_maps(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Prediction and truth in blocks of 20 pixels, three of four right."""
    rng = torch.Generator().manual_seed(seed)
    truth = torch.randint(0, CLASSES, (8, 18, 24), generator=rng)
    guess = torch.where(torch.rand(truth.shape, generator=rng) < 0.75, truth, truth.roll(1, 0))
    prediction, target = (m.repeat_interleave(20, 1).repeat_interleave(20, 2) for m in (guess, truth))
    target = target.masked_fill(torch.rand(target.shape, generator=rng) < 0.05, VOID)
    return prediction.contiguous(), target.contiguous()


def median_ms(run: Callable[[], object], repeats: int) -> float:
    """Median time of one call in milliseconds after a first one that is not counted."""
    return 1e3 * statistics.median(in_turns({"": run}, repeats)[""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    prediction, target = label_maps(seed=0)
    with_void_class = torch.where(target == VOID, CLASSES, target)

    def ours(metric: ConfusionMatrix | BoundaryIoU | TrimapIoU) -> float:
        metric.update(prediction, target)
        return metric.mean_iou()

    def theirs(metric: torchmetrics.Metric, truth: torch.Tensor) -> torch.Tensor:
        metric.update(prediction, truth)
        return metric.compute()

    runs = {
        "segkit ConfusionMatrix": lambda: ours(ConfusionMatrix(CLASSES)),
        "torchmetrics segmentation MeanIoU": lambda: theirs(
            MeanIoU(num_classes=CLASSES + 1, input_format="index"), with_void_class
        ),
        "torchmetrics MulticlassConfusionMatrix": lambda: theirs(
            MulticlassConfusionMatrix(CLASSES, ignore_index=VOID), target
        ),
        "segkit BoundaryIoU, ratio 0.02": lambda: ours(BoundaryIoU(CLASSES)),
        "segkit TrimapIoU, width 5": lambda: ours(TrimapIoU(CLASSES, 5)),
    }
    times = {name: median_ms(run, options.repeats) for name, run in runs.items()}
    print(
        f"8×360×480, {CLASSES} classes and void, {options.threads} thread(s), torch {torch.__version__}, "
        f"torchmetrics {torchmetrics.__version__}, {platform.machine()}"
    )
    for name, value in times.items():
        print(f"{name:42} {value:8.2f} ms   {value / times['segkit ConfusionMatrix']:7.1f} × ConfusionMatrix")


if __name__ == "__main__":
    main()
