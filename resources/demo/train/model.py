"""Qwen3-MoE for training: the arithmetic of transformers' Qwen3MoeForCausalLM, arranged for a processor core.

The expert step sorts the token-expert pairs by expert and runs one matrix product per expert on contiguous rows, with
the derivative written by hand: with 64 small experts the generic formulations spend most of their time elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from members import Member, choose, importance, within_capacity
from products import linear

Parameters = dict[str, Tensor]


@dataclass(frozen=True)
class Shape:
    """The published figures of the model; the defaults are the embedded one."""

    vocabulary: int = 640
    hidden: int = 128
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 32
    experts: int = 64
    expert_hidden: int = 32
    positions: int = 1024
    rope_theta: float = 10000.0
    epsilon: float = 1e-6


#: Attention logits of normalised queries and keys are bounded; a gain above one lets attention be sharp early on,
#: which is what copying needs.
_QK_GAIN = 1.75


def initial_parameters(shape: Shape, seed: int) -> Parameters:
    """Output projections start at zero, so that every layer begins as the identity."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*size: int, std: float) -> Tensor:
        return torch.randn(*size, generator=generator) * std

    query, key = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    spread = shape.hidden**-0.5
    parameters: Parameters = {"embed": normal(shape.vocabulary, shape.hidden, std=0.05), "norm": torch.ones(shape.hidden)}
    for layer in range(shape.layers):
        parameters |= {
            f"{layer}.attention_norm": torch.ones(shape.hidden),
            f"{layer}.q": normal(query, shape.hidden, std=spread),
            f"{layer}.k": normal(key, shape.hidden, std=spread),
            f"{layer}.v": normal(key, shape.hidden, std=spread),
            f"{layer}.q_norm": torch.full((shape.head_dim,), _QK_GAIN),
            f"{layer}.k_norm": torch.full((shape.head_dim,), _QK_GAIN),
            f"{layer}.o": torch.zeros(shape.hidden, query),
            f"{layer}.expert_norm": torch.ones(shape.hidden),
            f"{layer}.router": normal(shape.experts, shape.hidden, std=0.02),
            f"{layer}.gate_up": normal(shape.experts, 2 * shape.expert_hidden, shape.hidden, std=spread),
            f"{layer}.down": torch.zeros(shape.experts, shape.hidden, shape.expert_hidden),
        }
    return parameters


@torch.compile(dynamic=True)
def _rms_norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + epsilon) * weight


@torch.compile(dynamic=True)
def _normed_rotated(x: Tensor, weight: Tensor, cosine: Tensor, sine: Tensor, epsilon: float) -> Tensor:
    """QK-norm and rotary embedding of [batch, time, heads, head_dim]."""
    x = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + epsilon) * weight
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), -1)
    return x * cosine + turned * sine


@torch.compile(dynamic=True)
def _gated(both: Tensor, weight: Tensor) -> Tensor:
    gate, up = both.chunk(2, -1)
    return gate * torch.sigmoid(gate) * up * weight


@torch.compile(dynamic=True)
def _gated_backward(both: Tensor, weight: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    gate, up = both.chunk(2, -1)
    sigmoid = torch.sigmoid(gate)
    silu = gate * sigmoid
    weight_grad = (grad * silu * up).sum(-1)
    scaled = grad * weight
    gate_grad = scaled * up * (sigmoid + silu * (1 - sigmoid))
    return torch.cat((gate_grad, scaled * silu), -1), weight_grad


@torch.compile(dynamic=True)
def _summed(parts: Tensor) -> Tensor:
    return parts.sum(1)


class _Experts(torch.autograd.Function):
    """Weighted sum of each token's chosen experts; SwiGLU is recomputed in the backward pass."""

    @staticmethod
    def forward(ctx, x: Tensor, gate_up: Tensor, down: Tensor, ids: Tensor, weights: Tensor) -> Tensor:  # noqa: ANN001
        count, chosen = ids.shape
        order = torch.argsort(ids.reshape(-1), stable=True)
        bounds = torch.bincount(ids.reshape(-1), minlength=gate_up.shape[0]).cumsum(0).tolist()
        rows = order // chosen
        inputs = x.index_select(0, rows)
        pair_weights = weights.reshape(-1).index_select(0, order).unsqueeze(1)
        both = inputs.new_empty(order.numel(), gate_up.shape[1])
        start = 0
        for expert, end in enumerate(bounds):
            if end > start:
                torch.mm(inputs[start:end], gate_up[expert].t(), out=both[start:end])
            start = end
        inner = _gated(both, pair_weights)
        outputs = inputs.new_empty(order.numel(), x.shape[1])
        start = 0
        for expert, end in enumerate(bounds):
            if end > start:
                torch.mm(inner[start:end], down[expert].t(), out=outputs[start:end])
            start = end
        inverse = torch.empty_like(order)
        inverse[order] = torch.arange(order.numel(), device=order.device)
        ctx.save_for_backward(inputs, gate_up, down, rows, order, inverse, both, inner, pair_weights)
        ctx.bounds, ctx.chosen = bounds, chosen
        return _summed(outputs.index_select(0, inverse).view(count, chosen, -1))

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN001
        inputs, gate_up, down, rows, order, inverse, both, inner, pair_weights = ctx.saved_tensors
        pair_grad = grad.index_select(0, rows)
        inner_grad = torch.empty_like(inner)
        down_grad, gate_up_grad = torch.zeros_like(down), torch.zeros_like(gate_up)
        start = 0
        for expert, end in enumerate(ctx.bounds):
            if end > start:
                torch.mm(pair_grad[start:end], down[expert], out=inner_grad[start:end])
                torch.mm(pair_grad[start:end].t(), inner[start:end], out=down_grad[expert])
            start = end
        both_grad, weight_grad = _gated_backward(both, pair_weights, inner_grad)
        input_grad = torch.empty_like(inputs)
        start = 0
        for expert, end in enumerate(ctx.bounds):
            if end > start:
                torch.mm(both_grad[start:end], gate_up[expert], out=input_grad[start:end])
                torch.mm(both_grad[start:end].t(), inputs[start:end], out=gate_up_grad[expert])
            start = end
        count = grad.shape[0]
        x_grad = _summed(input_grad.index_select(0, inverse).view(count, ctx.chosen, -1))
        weights_grad = weight_grad.index_select(0, inverse).view(count, ctx.chosen)
        return x_grad, gate_up_grad, down_grad, None, weights_grad


@dataclass
class Losses:
    """What one batch gives: the scalar to minimise, and what the log shows."""

    total: Tensor
    text: float
    balance: float
    #: [layers, experts]: how many valid tokens chose the expert.
    load: Tensor
    #: Experts that a valid token really got, averaged over tokens and layers.
    experts: float


class Rotary:
    """Cosines and sines for all positions."""

    def __init__(self, shape: Shape, device: str = "cpu") -> None:
        frequency = shape.rope_theta ** (-torch.arange(0, shape.head_dim, 2) / shape.head_dim)
        angle = torch.outer(torch.arange(shape.positions), frequency).repeat(1, 2)
        self.cosine, self.sine = angle.cos().to(device), angle.sin().to(device)


#: Ours, for members with a token-wise number of slots: holds the mean importance in the middle of its range.
_ALLOCATION_WEIGHT, _ALLOCATION_MEAN = 1.0, 0.5


def training_loss(
    parameters: Parameters, shape: Shape, member: Member, rotary: Rotary, ids: Tensor, weights: Tensor, valid: Tensor, load_share: Tensor,
    balance_weight: float, spread_weight: float,
) -> Losses:
    """The weighted next-token loss of a right-padded batch, the balance loss and the spread loss.

    `load_share` is each expert's share of recent tokens over all batches: Qwen's global-batch balance. A batch holds
    samples of one length and hence often of one task; judging it by its own load would forbid specialisation.
    The spread loss is the sum of the squared routing weights of a token: it keeps the lower ranks of the chosen
    experts alive, so that taking fewer of them is felt; a member of one slot has none.
    """
    batch, time = ids.shape
    p = parameters
    cosine, sine = rotary.cosine[:time, None], rotary.sine[:time, None]
    keep = valid.view(-1)
    kept = keep.sum()
    x = F.embedding(ids, p["embed"]).view(batch * time, -1)
    balance = spread = allocation = x.new_zeros(())
    load, taken = torch.zeros_like(load_share), 0
    for layer in range(shape.layers):
        normed = _rms_norm(x, p[f"{layer}.attention_norm"], shape.epsilon)
        q = linear(normed, p[f"{layer}.q"]).view(batch, time, shape.heads, shape.head_dim)
        k = linear(normed, p[f"{layer}.k"]).view(batch, time, shape.kv_heads, shape.head_dim)
        v = linear(normed, p[f"{layer}.v"]).view(batch, time, shape.kv_heads, shape.head_dim).transpose(1, 2)
        q = _normed_rotated(q, p[f"{layer}.q_norm"], cosine, sine, shape.epsilon).transpose(1, 2)
        k = _normed_rotated(k, p[f"{layer}.k_norm"], cosine, sine, shape.epsilon).transpose(1, 2)
        group = shape.heads // shape.kv_heads
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + linear(mixed.transpose(1, 2).reshape(batch * time, -1), p[f"{layer}.o"])
        normed = _rms_norm(x, p[f"{layer}.expert_norm"], shape.epsilon)
        probabilities = linear(normed, p[f"{layer}.router"]).softmax(-1)
        chosen, top = choose(member, probabilities)
        used = (top > 0) & keep.unsqueeze(1)
        load[layer] = torch.bincount(chosen[used], minlength=shape.experts).to(load.dtype)
        share = load[layer] / load[layer].sum() if member.balance_by_batch else load_share[layer]
        mean_probability = (probabilities * keep.unsqueeze(1)).sum(0) / kept
        balance = balance + shape.experts * (share * mean_probability).sum() / shape.layers
        if member.most > 1:
            spread = spread + (top.square().sum(-1) * keep).sum() / kept / shape.layers
        if member.allocates:
            mean_importance = (importance(probabilities) * keep).sum() / kept
            allocation = allocation + (mean_importance - _ALLOCATION_MEAN).square() / shape.layers
        if member.capacity is not None:
            room = within_capacity(member, chosen, keep, shape.experts)
            top, used = top * room, used & room
        taken += int(used.sum())
        x = x + _Experts.apply(normed, p[f"{layer}.gate_up"], p[f"{layer}.down"], chosen, top)
    counted = torch.nonzero(weights.view(-1) > 0).squeeze(1)
    final = _rms_norm(x.index_select(0, counted), p["norm"], shape.epsilon)
    targets = ids.roll(-1, 1).view(-1).index_select(0, counted)
    counted_weights = weights.view(-1).index_select(0, counted)
    text = (F.cross_entropy(linear(final, p["embed"]), targets, reduction="none") * counted_weights).sum() / counted_weights.sum()
    total = text + balance_weight * balance + spread_weight * spread + _ALLOCATION_WEIGHT * allocation
    return Losses(total, float(text.detach()), float(balance.detach()), load, taken / float(kept) / shape.layers)
