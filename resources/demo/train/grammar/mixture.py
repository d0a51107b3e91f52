"""What share each task has, and how the curriculum moves it as training goes on."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

from . import conversation, lookups, ordering, scenes, stories, sums
from .sample import Generator, Sample

#: The tasks as they are evaluated, at full difficulty.
TASKS: dict[str, Generator] = {
    "sums": sums.generate,
    "stories": stories.generate,
    "scenes": scenes.generate,
    "lookups": lookups.generate,
    "ordering": ordering.generate,
    "conversation": conversation.generate,
}

#: Phrasings that training never sees; its prompts are held out by template and not by hash.
UNSEEN: Generator = partial(stories.generate, unseen=True)

_Share = tuple[float, Callable[[random.Random], Sample]]

#: From this many training tokens on, these shares of the samples hold. Short chains, two-row scenes and much plain
#: copying first: copying by key is the slowest circuit to form and everything else builds on it.
_STAGES: tuple[tuple[float, tuple[_Share, ...]], ...] = (
    (0.0, (
        (0.22, partial(lookups.repeat)),
        (0.22, partial(lookups.generate, most_entries=4)),
        (0.20, partial(sums.generate, most_steps=1)),
        (0.10, partial(stories.generate, most_events=1)),
        (0.16, partial(scenes.generate, most_rows=2)),
        (0.05, ordering.generate),
        (0.05, conversation.generate),
    )),
    (1.5e6, (
        (0.06, lookups.repeat),
        (0.18, partial(lookups.generate, most_entries=6)),
        (0.22, partial(sums.generate, most_steps=2)),
        (0.16, partial(stories.generate, most_events=2)),
        (0.24, partial(scenes.generate, most_rows=2)),
        (0.07, ordering.generate),
        (0.07, conversation.generate),
    )),
    (4e6, (
        (0.02, lookups.repeat),
        (0.14, lookups.generate),
        (0.25, sums.generate),
        (0.18, stories.generate),
        (0.26, scenes.generate),
        (0.08, ordering.generate),
        (0.07, conversation.generate),
    )),
)


def generator_at(tokens: float) -> Generator:
    """The mixture in force after `tokens` training tokens."""
    shares = next(stage for start, stage in reversed(_STAGES) if tokens >= start)
    weights, generators = zip(*shares, strict=True)

    def generate(rng: random.Random) -> Sample:
        return rng.choices(generators, weights)[0](rng)

    return generate
