"""An endless, resumable stream of length-bucketed batches, a function of the seed and of how far training is."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor

from chat_layout import ChatLayout, Tokens
from grammar.mixture import TASKS, stage_at
from grammar.sample import draw

_POOL_BATCHES = 24
_EARLIER_TURN_SHARE = 0.07
_EARLIER_TASKS = ("sums", "conversation", "ordering", "stories")
_LONGEST = 320


@dataclass
class Batch:
    ids: Tensor
    weights: Tensor
    valid: Tensor

    def to(self, device: str) -> Batch:
        return Batch(self.ids.to(device), self.weights.to(device), self.valid.to(device))


def pack(group: list[Tokens]) -> Batch:
    width = max(len(tokens.ids) for tokens in group)
    ids = torch.zeros(len(group), width, dtype=torch.long)
    weights = torch.zeros(len(group), width)
    valid = torch.zeros(len(group), width, dtype=torch.bool)
    for row, tokens in enumerate(group):
        length = len(tokens.ids)
        ids[row, :length] = torch.tensor(tokens.ids)
        weights[row, : length - 1] = torch.tensor(tokens.weights[1:])
        valid[row, :length] = True
    return Batch(ids, weights, valid)


def by_length(drawn: list[Tokens], size: int) -> list[list[Tokens]]:
    """Groups of about `size` tokens with padding, of samples of like length."""
    groups: list[list[Tokens]] = [[]]
    for tokens in sorted(drawn, key=lambda tokens: len(tokens.ids)):
        if groups[-1] and (len(groups[-1]) + 1) * len(tokens.ids) > size:
            groups.append([])
        groups[-1].append(tokens)
    return groups


class BatchStream:
    """The batches of one process. `pool` and `position` say where it stands and are all that a resume needs.

    Samples are drawn a pool at a time, sorted by length and cut into batches of about `size` tokens, so that padding
    stays small; the order of the batches is shuffled.
    """

    def __init__(self, layout: ChatLayout, seed: int, rank: int, size: int) -> None:
        self._layout, self._seed, self._rank, self._size = layout, seed, rank, size
        self._batches: list[list[Tokens]] = []
        self.pool, self.position, self.pool_tokens = -1, 0, 0.0

    def resume(self, pool: int, position: int, pool_tokens: float) -> None:
        self._fill(pool, pool_tokens)
        self.position = position

    def next(self, tokens_seen: float) -> Batch:
        if self.position >= len(self._batches):
            self._fill(self.pool + 1, tokens_seen)
        group = self._batches[self.position]
        self.position += 1
        return pack(group)

    def _fill(self, pool: int, tokens_seen: float) -> None:
        self.pool, self.position, self.pool_tokens = pool, 0, tokens_seen
        rng = random.Random(f"{self._seed}/{self._rank}/{pool}")
        stage = stage_at(tokens_seen)
        drawn: list[Tokens] = []
        total = 0
        while total < _POOL_BATCHES * self._size:
            earlier = None
            if rng.random() < _EARLIER_TURN_SHARE:
                earlier = draw(TASKS[rng.choice(_EARLIER_TASKS)], rng, "train")
            tokens = self._layout.training_tokens(draw(stage.draw, rng, "train"), rng, earlier, stage)
            if len(tokens.ids) <= _LONGEST:
                drawn.append(tokens)
                total += len(tokens.ids)
        self._batches = by_length(drawn, self._size)
        rng.shuffle(self._batches)
