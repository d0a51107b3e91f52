"""Routing rules to evaluate the model under: its own, with another k, and rules that ignore what it learned."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

#: (router probabilities [rows, experts], token ids [rows], layer) -> expert ids and weights [rows, k].
Rule = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]


def top_k(k: int) -> Rule:
    """The model's own rule with any k: the k likeliest experts, weights renormalised."""

    def choose(probabilities: Tensor, tokens: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        weights, ids = probabilities.topk(k, -1)
        return ids, weights / weights.sum(-1, keepdim=True)

    return choose


def random_k(k: int, seed: int) -> Rule:
    """k experts by lot, weighted by what the router thinks of them."""
    generator = torch.Generator().manual_seed(seed)

    def choose(probabilities: Tensor, tokens: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        ids = torch.rand(probabilities.shape, generator=generator).topk(k, -1).indices
        weights = probabilities.gather(-1, ids)
        return ids, weights / weights.sum(-1, keepdim=True)

    return choose


def hashed_k(k: int) -> Rule:
    """k experts fixed by the token's id and the layer, equal weights."""

    def choose(probabilities: Tensor, tokens: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        experts = probabilities.shape[-1]
        slots = torch.arange(k)
        start = (tokens * 2654435761 + layer * 40503) % 4294967291
        ids = (start.unsqueeze(1) + slots * (experts // k)) % experts
        return ids, torch.full(ids.shape, 1.0 / k)

    return choose


def parse(text: str) -> Rule:
    """`top-K`, `random-K` or `hash-K`."""
    name, _, k = text.rpartition("-")
    rules: dict[str, Callable[[int], Rule]] = {"top": top_k, "random": lambda count: random_k(count, seed=1), "hash": hashed_k}
    if name not in rules or not k.isdigit():
        raise ValueError(f"routing {text!r}: expected top-K, random-K or hash-K")
    return rules[name](int(k))
