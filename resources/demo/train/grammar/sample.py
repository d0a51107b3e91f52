"""One exchange, and the rule that keeps training and evaluation prompts apart."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "validation", "test"]

#: Share of the prompt space that is held out: one residue of the hash for each of the two held-out splits.
BUCKETS = 64


@dataclass(frozen=True)
class Sample:
    """A question with its reference thinking and the one accepted answer.

    `thinking` is the text between the tags without the newlines next to them.
    """

    task: str
    kind: str
    prompt: str
    thinking: str
    answer: str


Generator = Callable[[random.Random], Sample]


def split_of(prompt: str) -> Split:
    """Assigns a prompt to a split by its own text, so that no list of held-out prompts has to be kept.

    Case and spacing do not count: "What is 2+3?" and "what is 2 + 3?" must not lie on different sides.
    """
    key = "".join(prompt.lower().split())
    residue = zlib.crc32(key.encode()) % BUCKETS
    if residue == 0:
        return "test"
    return "validation" if residue == 1 else "train"


def draw(generator: Generator, rng: random.Random, split: Split) -> Sample:
    """Draws until the prompt belongs to `split`: the only way a sample leaves the grammar."""
    while True:
        sample = generator(rng)
        if split_of(sample.prompt) == split:
            return sample
