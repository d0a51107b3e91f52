"""Routing rules to evaluate the model under: its own, with another k, and rules that ignore what it learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from members import ALLOCATION_KEY, Member, choose as choose_as_member, within_capacity

#: (router probabilities [rows, experts], token ids [rows], layer) -> expert ids and weights [rows, k].
Rule = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]


def top_k(k: int, renormalise: bool = True) -> Rule:
    """The k likeliest experts."""
    member = Member(most=k, fewest=k, renormalise=renormalise)
    return lambda probabilities, tokens, layer: choose_as_member(member, probabilities)


def trained(config: dict[str, Any]) -> Rule:
    """The rule that a checkpoint was trained with, less the capacity, which belongs to training's batches."""
    if ALLOCATION_KEY not in config:
        return published(config)
    member = allocating(config)
    return lambda probabilities, tokens, layer: choose_as_member(member, probabilities)


def published(config: dict[str, Any]) -> Rule:
    """The rule that other programs take from the configuration: top-k."""
    return top_k(config["num_experts_per_tok"], config["norm_topk_prob"])


def allocating(config: dict[str, Any]) -> Member:
    """The member behind a configuration with a token-wise number of slots."""
    rule = config[ALLOCATION_KEY]
    return Member(most=rule["most"], fewest=rule["fewest"], virtual_share=rule["virtual_share"])


def with_capacity(config: dict[str, Any], factor: float) -> Rule:
    """The published rule where an expert takes no more than `factor` times its even share of the rows; later ones pass it by."""
    k = config["num_experts_per_tok"]
    member = Member(most=k, fewest=k, renormalise=config["norm_topk_prob"], capacity=factor)

    def choose(probabilities: Tensor, tokens: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        ids, weights = choose_as_member(member, probabilities)
        return ids, weights * within_capacity(member, ids, torch.ones_like(tokens, dtype=torch.bool), probabilities.shape[-1])

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


def parse(text: str, renormalise: bool) -> Rule:
    """`top-K`, `random-K` or `hash-K`; `renormalise` as the checkpoint has it, for the first."""
    name, _, k = text.rpartition("-")
    rules: dict[str, Callable[[int], Rule]] = {"top": lambda count: top_k(count, renormalise), "random": lambda count: random_k(count, seed=1), "hash": hashed_k}
    if name not in rules or not k.isdigit():
        raise ValueError(f"routing {text!r}: expected top-K, random-K or hash-K")
    return rules[name](int(k))
