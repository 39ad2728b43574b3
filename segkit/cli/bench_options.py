"""The words of `segkit bench`; nothing here imports torch."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from segkit.names import known_model


def bench_arguments(bench: argparse.ArgumentParser, data: Callable[[str], str]) -> None:
    """Add the words of `segkit bench`.

    Args:
        bench: parser of the command.
        data: refuses what is no data set.
    """
    bench.add_argument("models", nargs="*", type=_model, metavar="MODEL[:OPTION=VALUE]", help="such as "
                       "enet or ddrnet:base=39; default: all; with --weights none. Auxiliary scores are left out, but "
                       "with --training; bisenet:aux=True has them")  # fmt: skip
    bench.add_argument("--size", nargs=2, type=int, default=(192, 256), metavar=("H", "W"), help="of the pictures "
                       "that are timed (default 192 256)")  # fmt: skip
    bench.add_argument("--batch", type=int, help="pictures at once (default 1; with --training 8)")
    bench.add_argument("--width", type=_width, default=16, help="of the models; paper: each as in its paper, mostly 64 "
                       "(default 16)")  # fmt: skip
    bench.add_argument("--device", default="auto")
    bench.add_argument("--threads", type=int, help="of torch on a CPU (default: its own choice)")
    bench.add_argument("--repeats", type=int, default=20, metavar="N", help="times that are taken (default 20)")
    bench.add_argument("--compiled", action="store_true", help="each network also under torch.compile")
    bench.add_argument("--peers", action="store_true", help="also networks of the same kind of torchvision and, where "
                       "it is installed, segmentation_models_pytorch, each in turns with ours")  # fmt: skip
    bench.add_argument("--training", action="store_true", help="how fast they train, loader included; with --peers "
                       "our loop against a plain one")  # fmt: skip
    bench.add_argument("--weights", nargs="+", metavar="FOLDER|FILE", help="trained networks, which are also scored: "
                       "files, runs, or folders of files such as course/weights")  # fmt: skip
    bench.add_argument("--data", type=data, metavar="NAME", help="score on these (default: what each was trained on)")
    bench.add_argument("--limit", type=int, metavar="N", help="score on so many pictures")
    bench.add_argument("--out", metavar="FILE.json", help="keep the rows; what is in it is not measured again")
    bench.add_argument("--plot", metavar="FILE.png", help="draw mean IoU against cost")


def _model(text: str) -> str:
    """The name of a model, and its options after colons; or argparse's own error."""
    try:
        known_model(text.partition(":")[0])
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _width(text: str) -> int | str:
    """A number, or the word `paper`."""
    try:
        return text if text == "paper" else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number, or paper") from None
