"""What torch.compile saves in a training step, beside another library: `python tests/benchmarks/bench_compile.py`.

Our U-Net and that of segmentation_models_pytorch (`pip install segmentation-models-pytorch`; without it ours is
measured alone), both on the same encoder at the same width and without pretrained weights, each eager and compiled by
inductor. A step is forward, cross-entropy, backward and AdamW. The four take turns, one step each a round; ratios are
taken within a round, and their median and quartiles printed. The decoders differ: parameters stand beside the times.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from segkit.analysis.timing import finish, in_turns, ratios
from segkit.models import create
from segkit.training import pick_device, provenance

DECODER = (256, 128, 64, 32, 16)  # channels of their decoder, step by step; ours gets the same


def networks(encoder: str, classes: int, width: int) -> dict[str, nn.Module]:
    """Ours, and theirs where it can be imported and has this encoder and width."""
    found = {"segkit": create("unet", classes, width=width, encoder=encoder, decoder_channels=DECODER)}
    if width != 64:
        print("segmentation_models_pytorch has its encoders at width 64 only: ours is measured alone")
        return found
    try:
        other = importlib.import_module("segmentation_models_pytorch")
    except ImportError as error:
        print(f"segmentation_models_pytorch cannot be imported ({error}): ours is measured alone")
        return found
    return {**found, "smp": other.Unet(encoder, encoder_weights=None, classes=classes)}


def training_step(model: nn.Module, x: torch.Tensor, target: torch.Tensor, compiled: bool) -> Callable[[], None]:
    model.train()
    run = torch.compile(model, fullgraph=True) if compiled else model
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(run(x), target).backward()
        optimizer.step()

    return step


def measure(steps: dict[str, Callable[[], None]], rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of each step in each round; a first one, in which it compiles, is told and not counted."""
    for name, step in steps.items():
        start = time.perf_counter()
        step()
        finish(device)
        print(f"{name}: first step after {time.perf_counter() - start:.1f} s", flush=True)
    return in_turns(steps, rounds, warm_up=1, device=device)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="resnet18", help="of both networks (resnet18)")
    parser.add_argument("--width", type=int, default=64, help="channels of the first layer; other than 64 ours alone")
    parser.add_argument("--size", default="4,128,128", metavar="N,H,W", help="a batch of pictures (4,128,128)")
    parser.add_argument("--classes", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch (its own choice)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--eager", action="store_true", help="without torch.compile")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    o = parser.parse_args(arguments)
    threads = torch.get_num_threads()
    torch.set_num_threads(o.threads)
    torch.manual_seed(0)
    device = pick_device(o.device)
    N, H, W = map(int, o.size.split(","))
    x, target = torch.randn(N, 3, H, W, device=device), torch.randint(o.classes, (N, H, W), device=device)
    print(f"torch {torch.__version__}, {platform.machine()}, {device}, {o.threads} thread(s), {N}×3×{H}×{W}")
    steps, parameters = {}, {}
    for name, model in networks(o.encoder, o.classes, o.width).items():
        parameters[name] = sum(p.numel() for p in model.parameters())
        for compiled in (False,) if o.eager else (False, True):
            steps[f"{name} {'compiled' if compiled else 'eager'}"] = training_step(
                model.to(device), x, target, compiled
            )
    times = measure(steps, o.rounds, device)
    torch.set_num_threads(threads)
    found = {name: list(each) for name, each in ratios(times, "segkit eager").items()}
    print(f"{'training step':16} {'parameters':>12} {'median, ms':>11} {'× segkit eager':>15} {'quartiles':>13}")
    for name, (low, middle, high) in found.items():
        ms = 1e3 * statistics.median(times[name])
        print(f"{name:16} {parameters[name.split()[0]]:12,} {ms:11.1f} {middle:15.2f} {low:6.2f}–{high:.2f}")
    answer = {"parameters": parameters, "seconds": times, "ratios": found, "provenance": provenance()}
    if o.json:
        o.json.write_text(json.dumps(answer, indent=1), encoding="utf-8")
    return answer


if __name__ == "__main__":
    main()
