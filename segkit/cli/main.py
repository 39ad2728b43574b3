"""Reads the command line and calls the module that does the work; an error that the user can fix ends in one line.

Nothing here imports torch: help and a wrong command line are answered at once.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import os
import sys
from collections.abc import Sequence

import segkit
from segkit.cli.bench_options import bench_arguments
from segkit.cli.class_options import class_arguments
from segkit.cli.crf_options import axis, options_file
from segkit.names import MODELS, OWN, SETS, known_set


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when all is well, 1 after an error, 2 for a wrong command line, 130 after Ctrl-C."""
    parser = _parser()
    one_speaks = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun has started
    with (
        open(os.devnull, "w", encoding="utf-8") as file,
        contextlib.redirect_stderr(sys.stderr if one_speaks else file),
    ):
        options, left = parser.parse_known_args(arguments)
        if left:
            _unknown(options.parser, left)
        _no_empty_words(parser, options)
    try:
        return options.call(options)
    except KeyboardInterrupt as stop:
        print(f"\n{stop or 'stopped'}", file=sys.stderr)
        return 130
    except Exception as error:
        said = _said(error)
        if said is None:
            raise  # a fault of segkit's own: the traceback is what a report needs
        print(f"segkit {options.command}: {said.removeprefix(f'segkit {options.command} ')}", file=sys.stderr)
        return 1


def _unknown(parser: argparse.ArgumentParser, words: list[str]) -> None:
    """The command's usage, the words that it does not know, and the option that may be meant."""
    flags = [flag for action in parser._actions for flag in action.option_strings]
    meant = next((word.partition("=")[0] for word in words if word.startswith("-")), "")
    near = difflib.get_close_matches(meant, flags, 1)
    parser.error(f"unrecognized arguments: {' '.join(words)}{f'; did you mean {near[0]}?' if near else ''}")


def _no_empty_words(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """An empty word is a shell variable that was never set; taken as "nothing given" it would change what is meant."""
    for name, value in vars(options).items():
        if "" in (value if isinstance(value, list | tuple) else [value]):
            parser.error(
                f"{options.command}: {name.replace('_', '-')} got an empty word; give a value, or leave it out"
            )


def _said(error: Exception) -> str | None:
    """The line for an error that the user can do something about; None for any other."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "OutOfMemoryError" in kinds or isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error):
        return "out of memory; take a smaller --batch-size, --set crop=…, --tile or --short-side, or --device cpu"
    if "DecompressionBombError" in kinds:
        return f"{error}; segkit opens no picture of that size: cut it into parts first"
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    user = isinstance(error, ValueError | TypeError | OSError | FloatingPointError) or "DownloadError" in kinds
    return str(error) if user else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="segkit", description="Semantic segmentation from scratch.")
    parser.add_argument("--version", action="version", version=f"segkit {segkit.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    sets_ = f"{', '.join(SETS)}, or {OWN}PATH for pictures of your own"

    def command(name: str, help: str, run: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help)
        sub.set_defaults(call=lambda options: _call(run, options), parser=sub)
        return sub

    train = command("train", "train a model and write it to a folder under runs/", "segkit.cli.train:train")
    _train_arguments(train, sets_)

    evaluate = command("eval", "score a trained model, void ignored", "segkit.cli.evaluate:evaluate")
    _eval_arguments(evaluate)

    predict = command("predict", "segment a picture, or a folder, and write each with its labels over it",
                      "segkit.cli.predict:predict")  # fmt: skip
    _predict_arguments(predict)

    crf = command("crf", "find a dense CRF's widths and weights on validation pictures", "segkit.cli.crf:crf")
    _crf_arguments(crf)

    bench = command("bench", "measure what models cost and how good they are, in one table", "segkit.cli.bench:bench")
    bench_arguments(bench, _data)

    sets = command("data", "get or check a real data set, or check a folder of yours", "segkit.cli.datasets:datasets")
    street = command("street", "write one of the course's own streets to a file", "segkit.cli.street:street")
    _picture_arguments(sets, street, sets_)

    grade = command("grade", "grade an assignment notebook and print a table", "segkit.cli.grade:grade")
    grade.add_argument("notebook", metavar="NOTEBOOK", help="a solved assignment, such as ch02.ipynb")
    grade.epilog = "A whole class: segkit class"

    course = command("class", "hand out, collect, grade and give back a whole class's assignments", "")
    class_arguments(course, lambda run: lambda options: _call(run, options))

    command("doctor", "say what this machine can do, and what is missing", "segkit.cli.doctor:doctor")
    return parser


def _picture_arguments(sets: argparse.ArgumentParser, street: argparse.ArgumentParser, known: str) -> None:
    sets.add_argument("action", choices=("get", "check"))
    sets.add_argument("name", type=_data, metavar="NAME", help=known)
    sets.add_argument("--root", help="folder of the data sets (default: SEGKIT_DATA, else data/)")
    street.add_argument("--scene", type=int, default=12, help="0 to 199, of the test split (default 12)")
    street.add_argument("--to", default="street.png", metavar="FILE.png", help="default: street.png")


def _eval_arguments(evaluate: argparse.ArgumentParser) -> None:
    evaluate.add_argument(
        "run", nargs="?", metavar="RUN", help="folder of a run or a weights file (default: newest run)"
    )
    evaluate.add_argument("--data", type=_data, metavar="NAME", help="default: what the model was trained on")
    evaluate.add_argument("--split", help="default: test, or val where test is missing or has no labels")
    evaluate.add_argument("--limit", type=int, help="only this many pictures, to try things out")
    evaluate.add_argument("--device", default="auto")
    evaluate.add_argument(
        "--prior",
        action="store_true",
        help="also score the position prior of the training pictures, a map that sees no picture",
    )
    evaluate.add_argument("--worst", type=int, default=0, metavar="N", help="also name the N pictures with the lowest "
                          "mean IoU within the picture")  # fmt: skip
    evaluate.add_argument("--json", help="also write the figures to this file")


def _predict_arguments(predict: argparse.ArgumentParser) -> None:
    predict.add_argument("picture", metavar="PICTURE|FOLDER", help="a photograph, or a folder of them")
    predict.add_argument("-o", "--output", metavar="OVERLAY.png|FOLDER",
                         help="default: PICTURE_segmented.png beside it, or the folder FOLDER_segmented")  # fmt: skip
    predict.add_argument("--model", metavar="RUN|NAME", help="folder of a run or a weights file (default: newest run); "
                         "with --pretrained deeplab_v3, deeplab_v3_resnet101, fcn_resnet or fcn_resnet101")  # fmt: skip
    predict.add_argument("--pretrained", action="store_true",
                         help="torchvision's published weights for the 21 classes of VOC (downloads once)")  # fmt: skip
    predict.add_argument("--labels", metavar="LABELS.png|FOLDER",
                         help="also write the class numbers, one byte a pixel, with the palette inside")  # fmt: skip
    predict.add_argument("--legend", metavar="LEGEND.png", help="also write which colour is which class")
    predict.add_argument("--alpha", type=float, default=0.5, help="opacity of the colours, 0 to 1 (default 0.5)")
    predict.add_argument("--crf", nargs="?", type=options_file, const={}, metavar="FILE.json", help="sharpen the "
                         "labels with a dense CRF; widths and weights as `segkit crf search` wrote them")  # fmt: skip
    predict.add_argument("--scales", type=_numbers, metavar="S,S,…", help="average over sizes, such as 0.75,1,1.25")
    predict.add_argument("--flip", action="store_true", help="average with the mirrored picture")
    predict.add_argument("--short-side", type=int, metavar="PIXELS", help="size that the network sees; 0 for the "
                         "picture's own (default; with --pretrained 520, as the weights were trained)")  # fmt: skip
    predict.add_argument("--tile", type=int, metavar="PIXELS", help="side of the tiles; 0 for none (default: 1024 "
                         "where the network sees more than 2 million pixels)")  # fmt: skip
    predict.add_argument("--json", metavar="FILE", help="also write each class's share of each picture")
    predict.add_argument("--csv", metavar="FILE", help="the same as a table: one row a picture")
    predict.add_argument("--device", default="auto")


def _crf_arguments(crf: argparse.ArgumentParser) -> None:
    crf.add_argument("action", choices=("search",))
    crf.add_argument("--model", metavar="RUN", help="folder of a run or a weights file (default: newest run)")
    crf.add_argument("--data", type=_data, metavar="NAME", help="default: what the model was trained on")
    crf.add_argument("--split", default="val", help="never test (default: val)")
    crf.add_argument("--grid", type=axis, action="append", default=[], metavar="NAME=V,V", help="values to try, such "
                     "as bilateral_sxy=5,10,20; one value holds it fixed (default: 120 settings)")  # fmt: skip
    crf.add_argument("--stages", type=int, default=1, help="rounds, each finer around the best (default 1)")
    crf.add_argument("--band", type=int, default=2, metavar="PIXELS", help="judge by the mean IoU within so many "
                     "pixels of a true edge; 0 for all pixels (default 2)")  # fmt: skip
    crf.add_argument("--most", type=int, default=100, metavar="N", help="so many pictures at most, drawn by the seed; "
                     "0 for all (default 100)")  # fmt: skip
    crf.add_argument("--seed", type=int, default=0)
    crf.add_argument("--iterations", type=int, default=10, help="steps of mean-field inference (default 10)")
    crf.add_argument("--device", default="auto")
    crf.add_argument("--out", metavar="FILE.json", help="write the best setting, the whole table and where it is from")


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: give numbers with commas between, such as 0.75,1,1.25") from None


def _train_arguments(train: argparse.ArgumentParser, sets: str) -> None:
    train.add_argument("--model", default="fcn8s", choices=MODELS, help="default: %(default)s")
    train.add_argument("--data", default="street", type=_data, metavar="NAME", help=sets)
    train.add_argument("--out", help="folder of the run (default: runs/MODEL-DATA)")
    train.add_argument("--recipe", metavar="NAME|FILE", help="how to train: a named recipe or a JSON file (default: "
                       "what suits the data set); the flags below change it")  # fmt: skip
    train.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="another setting of the recipe, such as clip=1"
    )
    train.add_argument("--width", type=int, help="channels of the first block; 64 is the paper's (default 16)")
    train.add_argument("--hidden", type=int, help="channels of fc6 and fc7 (default: the paper's share of the width)")
    train.add_argument("--no-batch-norm", action="store_true", help="the paper's network without BatchNorm")
    train.add_argument("--encoder", help="another encoder than the model's own, such as alexnet for fcn32s")
    train.add_argument("--option", action="append", default=[], metavar="NAME=VALUE",
                       help="another option of the model, such as padding=same")  # fmt: skip
    train.add_argument("--steps", type=int, help="optimizer steps")
    train.add_argument("--batch-size", type=int, help="pictures per step")
    train.add_argument("--lr", type=float, help="peak learning rate")
    train.add_argument("--seed", type=int)
    train.add_argument("--weights", choices=("none", "median", "log"), help="class weights in the loss")
    train.add_argument("--init", help="weights to start from (a file that segkit wrote, of the same model)")
    train.add_argument(
        "--pretrained", action="store_true", help="start from torchvision's ImageNet weights (downloads)"
    )
    train.add_argument("--ema", type=float, help="average the weights with this decay, such as 0.99")
    train.add_argument("--engine", choices=("native", "scratch"), default="native", help="torch's kernels, or our own")
    train.add_argument("--compile", action="store_true", help="join layers by torch.compile: the first step takes a "
                       "minute, the others less (needs a C++ compiler, on a GPU Triton)")  # fmt: skip
    train.add_argument("--workers", type=int, help="processes that prepare pictures")
    train.add_argument("--device", help="cpu, cuda or mps (default: a GPU if there is one)")
    train.add_argument("--strategy", choices=("ddp", "fsdp"), default="ddp", help="of several processes that torchrun "
                       "starts: each has the whole network, or a piece of its weights")  # fmt: skip
    train.add_argument("--limit", type=int, help="only this many pictures of each split, to try things out")
    train.add_argument("--val-every", type=int, metavar="STEPS", help="score the val split so often, and keep the best "
                       "weights as best.safetensors")  # fmt: skip
    train.add_argument("--save-every", type=int, metavar="STEPS", help="write a checkpoint so often, so that a run "
                       "that is killed loses no more (default 200)")  # fmt: skip
    train.add_argument("--resume", nargs="?", const=True, choices=("auto",), metavar="auto", help="go on with a run "
                       "that was interrupted; auto starts one where there is none yet")  # fmt: skip


def _data(name: str) -> str:
    """A name that `segkit.data.create` takes, or argparse's own error."""
    try:
        return known_set(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _call(target: str, options: argparse.Namespace) -> int:
    """Import the command's module only when it is run."""
    from importlib import import_module

    module, function = target.split(":")
    work = getattr(import_module(module), function)
    if "RANK" not in os.environ:
        return work(options)
    from segkit.training.processes import joined, started

    with joined():
        if started() and options.command not in ("train", "eval"):
            raise ValueError(f"this command runs in one process; start it without torchrun: segkit {options.command} …")
        return work(options)
