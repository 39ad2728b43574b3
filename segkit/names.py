"""Names of data sets and models, for those who must know them before torch is imported, such as the command line."""

from __future__ import annotations

from pathlib import Path

SETS = {  # name: module, class; imported on use
    "street": ("segkit.data.street", "StreetScenes"),
    "camvid": ("segkit.data.camvid", "CamVid"),
    "voc2012": ("segkit.data.voc", "VOC2012"),
    "cityscapes": ("segkit.data.cityscapes", "Cityscapes"),
    "cells": ("segkit.data.cells", "Cells"),
    "isbi2012": ("segkit.data.isbi", "ISBI2012"),
    "nuclei": ("segkit.data.nuclei", "Nuclei"),
}
OWN = "folder:"  # and behind it the path of a folder of one's own
MODELS = (  # what segkit.models registers
    "ann", "bisenet", "ccnet", "danet", "ddrnet", "decouple", "deeplab_v1", "deeplab_v1_msc", "deeplab_v2",
    "deeplab_v3", "deeplab_v3_cascade", "deeplab_v3plus", "denseaspp", "dfanet", "dilated", "dilated_frontend",
    "duc_hdc", "encnet", "enet", "esnet", "espnet", "espnetv2", "fcn16s", "fcn32s", "fcn8s", "fcn_resnet", "gcn",
    "hmsa", "hrnet", "hrnet_ocr", "icnet", "ocnet", "ocrnet", "parsenet", "pointrend", "psanet", "pspnet", "refinenet",
    "rtseg", "segnet", "sfsegnet", "unet",
)  # fmt: skip


def refuse_folder(name: str) -> None:
    """Say what to write, where a folder was given in place of a data set's name.

    Raises:
        ValueError: it is a folder.
    """
    if Path(name).is_dir():
        raise ValueError(f"{name} is a folder; for pictures of your own write {OWN}{name}")


def known_set(name: str) -> str:
    """The name itself, if `segkit.data.create` takes it.

    Raises:
        ValueError: it does not.
    """
    if name not in SETS and not (name.startswith(OWN) and name != OWN):
        refuse_folder(name)
        raise ValueError(
            f"there is no data set {name!r}; there are {', '.join(SETS)}, and {OWN}PATH for pictures of your own"
        )
    return name


def known_model(name: str) -> str:
    """The name itself, if `segkit.models.create` takes it.

    Raises:
        ValueError: it does not.
    """
    if name not in MODELS:
        raise ValueError(f"there is no model {name!r}; there are {', '.join(MODELS)}")
    return name
