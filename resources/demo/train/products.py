"""Matrix products for training, by oneDNN on a processor.

torch.mm takes MKL's kernels, which keep to AVX2 on AMD's processors; oneDNN takes AVX-512 where there is any and is up to
twice as fast here. The operator is torch's own, used by its compiler, and not a public function: torch is pinned.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def product(x: Tensor, weight: Tensor) -> Tensor:
    """x [rows, in] times the transpose of weight [out, in]; any strides. Without a derivative."""
    if x.is_cuda:
        return F.linear(x, weight)
    return torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:  # noqa: ANN001
        ctx.save_for_backward(x, weight)
        return product(x, weight)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN001
        x, weight = ctx.saved_tensors
        return product(grad, weight.t()), product(grad.t(), x.t())


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """`product` with its derivative."""
    return _Linear.apply(x, weight)
