"""Every public name of segkit: what has a door here, and what has none and why."""

from __future__ import annotations

import importlib
import inspect

from segkit import ops
from tests.campaign import (
    analysis_doors,
    array_doors,
    context_doors,
    crf_doors,
    data_doors,
    edge_doors,
    metric_doors,
    network_doors,
    search_doors,
    training_doors,
)
from tests.campaign.doors import Door

ROOMS = ("analysis", "crf", "data", "encoders", "grading", "heads", "inference", "layers", "metrics", "models", "ops",
         "search", "training", "viz", "data.transforms")  # fmt: skip
FILES_OF_DOORS = (array_doors, crf_doors, metric_doors, training_doors, data_doors, network_doors, analysis_doors,
                 context_doors, edge_doors, search_doors)  # fmt: skip
DOORS: dict[str, Door] = {name: door for file in FILES_OF_DOORS for name, door in file.DOORS.items()}
RECORD = "a record that segkit fills in; its figures are checked where they are made"
FILES = "reads or writes files: tests/campaign/files.py"
CLASSROOM = "runs what students write: files.py, and tests/grading"
WITHOUT = {
    **dict.fromkeys(("analysis.Box", "analysis.Contributions", "analysis.Cost", "analysis.EffectiveField",
                     "analysis.Kept", "analysis.KeptTable", "analysis.LayerCost", "analysis.Part", "analysis.PowerLaw",
                     "analysis.Row", "analysis.Table", "analysis.UnknownOperation", "analysis.ValidWeights",
                     "analysis.Verdict", "crf.Found", "crf.Trace", "data.Batch", "data.Facts", "data.Sample",
                     "grading.Diagnosis", "grading.GradedNotebook", "grading.Result", "inference.Band",
                     "metrics.ObjectMatch", "metrics.PartitionScores", "data.transforms.Sample"), RECORD),
    **dict.fromkeys(("data.CamVid", "data.Cityscapes", "data.ISBI2012", "data.Nuclei", "data.VOC2012", "models.load",
                     "models.save", "models.read_header", "data.Folder", "grading.grade_notebook"), FILES),
    **dict.fromkeys(("grading.check", "grading.class_run"), CLASSROOM),
    **dict.fromkeys(("data.SegmentationSet", "encoders.Encoder", "heads.FullyConnectedHead", "models.Model"),
                    "a base class, called through those that stand on it"),
    **dict.fromkeys(("data.available", "encoders.available", "grading.exercises"), "takes no argument"),
    "inference.evaluating": "a context without an answer; every model's test stands on it",
    "models.shipped": "looks for files of the course: tests/models/test_weights.py",
    "models.load_torchvision_segmentation": "takes one of two large networks: tests/models/test_deeplab_v3.py",
}  # fmt: skip


def public() -> set[str]:
    """Names of all public functions and classes, room by room."""
    found = set()
    for room in ROOMS:
        module = importlib.import_module(f"segkit.{room}")
        names = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
        for name in names:
            value = getattr(module, name)
            own = getattr(value, "__module__", "").startswith(f"segkit.{room.partition('.')[0]}") or "__all__" in vars(
                module
            )
            if (inspect.isfunction(value) or inspect.isclass(value)) and own:
                found.add(f"{room}.{name}")
    return found - {
        "data.transforms.window",
        "data.transforms.resized",
        "data.transforms.size_of",
    }  # parts of those that have a class


assert set(ops.__all__) == {name.removeprefix("ops.") for name in DOORS if name.startswith("ops.")}
