"""The family: models of one shape and one recipe that differ in how a token gets its experts.

`demo` follows Qwen3. `demo-top1` follows Switch (arXiv:2101.03961). `demo-any` follows what AnyExperts (arXiv:2511.18314)
makes public: slots by importance within a range, and a capped share of virtual experts that cost and give nothing. How the
importance is estimated, the rounding and the weights are stand-ins of ours, without parameters, so that every member is an
ordinary Qwen3-MoE checkpoint.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Member:
    """`most` slots a token; `fewest` of them are always real."""

    most: int
    fewest: int
    renormalise: bool = True
    #: An expert takes at most this multiple of the mean load of a training batch; later tokens pass it by.
    capacity: float | None = None
    #: Largest share of a token's slots that may be virtual.
    virtual_share: float = 0.0
    #: Whether the balance loss judges each batch by its own load (Switch) or by the load over all batches (Qwen3).
    balance_by_batch: bool = False

    @property
    def allocates(self) -> bool:
        """Whether the number of slots depends on the token."""
        return self.fewest < self.most


MEMBERS = {
    "demo": Member(most=4, fewest=4),
    # Weights that sum to one would be the constant 1 here, and the router would get no gradient.
    "demo-top1": Member(most=1, fewest=1, renormalise=False, capacity=1.25, balance_by_batch=True),
    "demo-any": Member(most=6, fewest=2, virtual_share=0.4),
}

#: Keys of config.json that say how a member with a token-wise number of slots, or with a capacity, was trained; other
#: programs ignore them.
ALLOCATION_KEY, CAPACITY_KEY = "trained_allocation", "trained_capacity_factor"


def allocation(member: Member) -> dict[str, Any]:
    """What config.json says of the rule."""
    return {"importance": "router entropy", "fewest": member.fewest, "most": member.most, "virtual_share": member.virtual_share}


def importance(probabilities: Tensor) -> Tensor:
    """Ours: the router's entropy as a share of the largest possible. A token that several experts suit gets more of them."""
    entropy = -(probabilities * probabilities.clamp_min(1e-12).log()).sum(-1)
    return entropy / math.log(probabilities.shape[-1])


def slots(member: Member, important: Tensor) -> tuple[Tensor, Tensor]:
    """Real and virtual slots: K = fewest + round((most - fewest) w), of which min(floor(r K), round(r K (1 - w))) virtual."""
    all_slots = member.fewest + ((member.most - member.fewest) * important).round()
    most_virtual = member.virtual_share * all_slots
    virtual = torch.minimum(most_virtual.floor(), (most_virtual * (1 - important)).round())
    return all_slots - virtual, virtual


def choose(member: Member, probabilities: Tensor) -> tuple[Tensor, Tensor]:
    """Expert ids and weights [tokens, most]; slots that are not used weigh nothing."""
    weights, ids = probabilities.topk(member.most, -1)
    if member.allocates:
        real, _ = slots(member, importance(probabilities.detach()))
        used = torch.arange(member.most, device=ids.device) < real.unsqueeze(1)
        weights = weights * used
    if member.renormalise:
        weights = weights / weights.sum(-1, keepdim=True)
    return ids, weights


def within_capacity(member: Member, ids: Tensor, counted: Tensor, experts: int) -> Tensor:
    """Which of the token-expert pairs [tokens, k] an expert takes, in order of arrival; only `counted` tokens use it up."""
    if member.capacity is None:
        return torch.ones_like(ids, dtype=torch.bool)
    most = math.ceil(member.capacity * int(counted.sum()) * ids.shape[1] / experts)
    flat = torch.where(counted.unsqueeze(1), ids, experts).reshape(-1)
    order = torch.argsort(flat, stable=True)
    first = torch.bincount(flat, minlength=experts + 1).cumsum(0).roll(1)
    first[0] = 0
    place = torch.empty_like(flat)
    place[order] = torch.arange(flat.numel(), device=flat.device) - first[flat[order]]
    return (place < most).view_as(ids)
