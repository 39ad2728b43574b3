"""BatchNorm whose mean and variance are those of all processes' pictures together.

Two processes with eight pictures each then train as one does with sixteen. torch's `SyncBatchNorm` does the same, but
only on GPUs. Source: Ioffe & Szegedy, arXiv 1502.03167, algorithm 1, with the sums over all processes.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from segkit.training import processes


def synchronise(model: nn.Module) -> None:
    """Let every BatchNorm of a model take its statistics over all processes.

    Parameters, names and hooks stay as they are, and so does what each layer does in evaluation mode or alone.
    """
    for module in model.modules():
        if isinstance(module, _BatchNorm) and type(module).forward is _BatchNorm.forward:
            module.__class__ = _synchronised(type(module))  # type: ignore[assignment, arg-type]


class _Synchronised(_BatchNorm):
    synchronised = True  # counts its values over all processes, and refuses a single one itself

    def forward(self, x: Tensor) -> Tensor:
        own_statistics = not self.training and self.running_mean is not None
        if own_statistics or processes.count() == 1:
            return super().forward(x)
        self._check_input_dim(x)
        y, mean, variance, count = _Normalise.apply(x, self.weight, self.bias, self.eps)
        if self.training and self.running_mean is not None and self.running_var is not None:
            self.num_batches_tracked += 1  # type: ignore[operator, assignment]
            share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum  # type: ignore[arg-type]
            self.running_mean.lerp_(mean.to(self.running_mean), share)
            self.running_var.lerp_((variance * count / (count - 1)).to(self.running_var), share)
        return y


@functools.cache
def _synchronised(cls: type[nn.Module]) -> type[nn.Module]:
    whole = torch.compiler.disable(_Synchronised.forward)  # a compiled network stops here to ask the others
    return type(cls.__name__, (_Synchronised, cls), {"__module__": __name__, "forward": whole})


class _Normalise(torch.autograd.Function):
    """y = (x − mean) / √(variance + eps) · weight + bias, mean and variance over the pictures of all processes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> tuple[Tensor, ...]:
        wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        C, dims = x.shape[1], [d for d in range(x.ndim) if d != 1]
        variance, mean = torch.var_mean(wide, dims, correction=0)  # C: of this process
        own = torch.cat([mean.new_tensor([x.numel() // C]), mean, variance])
        n, means, variances = processes.gathered(own).split([1, C, C], 1)  # processes × 1, C, C
        count = n.sum()
        if count <= 1:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {tuple(x.shape)}")
        mean = (n * means).sum(0) / count
        variance = (n * (variances + (means - mean).square())).sum(0) / count  # within each process, and between them
        scale = (variance + eps).rsqrt()
        ctx.save_for_backward(x, weight, mean, scale, count)
        ctx.dims, ctx.shape = dims, [1, C] + [1] * (x.ndim - 2)
        y = (wide - mean.view(ctx.shape)) * (scale if weight is None else scale * weight).view(ctx.shape)
        y = y if bias is None else y + bias.view(ctx.shape)
        ctx.mark_non_differentiable(mean, variance, count)
        return y.to(x.dtype), mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        x, weight, mean, scale, count = ctx.saved_tensors
        dy = dy.to(mean.dtype)
        normal = (x.to(mean.dtype) - mean.view(ctx.shape)) * scale.view(ctx.shape)
        sums = torch.stack([dy.sum(ctx.dims), (dy * normal).sum(ctx.dims)])  # 2, C: bias's and weight's gradient here
        dx = None
        if ctx.needs_input_grad[0]:  # every x moves the mean and variance of all
            first, second = (processes.total(sums) / count).view(2, *ctx.shape)
            factor = scale if weight is None else scale * weight
            dx = ((dy - first - normal * second) * factor.view(ctx.shape)).to(x.dtype)
        by_weight = sums[1].to(weight.dtype) if ctx.needs_input_grad[1] else None
        by_bias = sums[0].to(mean.dtype) if ctx.needs_input_grad[2] else None
        return dx, by_weight, by_bias, None
