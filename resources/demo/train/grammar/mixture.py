"""What share each task has, and how the curriculum moves it as training goes on."""

from __future__ import annotations

import random
from dataclasses import dataclass
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

_ONE_STEP = frozenset({"1-step", "product", "comparison", "total", "inventory-1", "price", "rate", "times"})


@dataclass(frozen=True)
class Stage:
    """What training draws from `start` tokens on."""

    start: float
    shares: tuple[tuple[float, Generator], ...]
    #: Share of the samples that are answered without thinking, and the same for problems of one step. A direct answer
    #: is a third as long as thinking, and being right at once is learned late.
    direct: float = 0.30
    direct_one_step: float = 0.30
    #: Share of the direct samples that ask for thinking although the block is empty: a budget of zero.
    overruled: float = 0.0

    def draw(self, rng: random.Random) -> Sample:
        weights, generators = zip(*self.shares, strict=True)
        return rng.choices(generators, weights)[0](rng)

    def direct_share(self, sample: Sample) -> float:
        return self.direct_one_step if sample.kind in _ONE_STEP else self.direct


#: Short chains, two-row scenes, much plain copying and bare verdicts first: copying by key and judging whether two
#: words are the same are slow to form, and everything else builds on them.
_STAGES = (
    Stage(0.0, (
        (0.20, lookups.repeat),
        (0.20, partial(lookups.generate, most_entries=4)),
        (0.06, scenes.claim),
        (0.18, partial(sums.generate, most_steps=1)),
        (0.10, partial(stories.generate, most_events=1)),
        (0.16, partial(scenes.generate, most_rows=2)),
        (0.05, ordering.generate),
        (0.05, conversation.generate),
    )),
    Stage(1.5e6, (
        (0.05, lookups.repeat),
        (0.16, partial(lookups.generate, most_entries=6)),
        (0.03, scenes.claim),
        (0.22, partial(sums.generate, most_steps=2)),
        (0.16, partial(stories.generate, most_events=2)),
        (0.24, partial(scenes.generate, most_rows=2)),
        (0.07, ordering.generate),
        (0.07, conversation.generate),
    )),
    Stage(4e6, (
        (0.02, lookups.repeat),
        (0.10, lookups.generate),
        (0.02, scenes.claim),
        (0.24, sums.generate),
        (0.22, stories.generate),
        (0.26, scenes.generate),
        (0.08, ordering.generate),
        (0.06, conversation.generate),
    )),
    Stage(10e6, (
        (0.01, lookups.repeat),
        (0.07, lookups.generate),
        (0.03, scenes.claim),
        (0.24, sums.generate),
        (0.25, stories.generate),
        (0.24, scenes.generate),
        (0.09, ordering.generate),
        (0.07, conversation.generate),
    ), direct_one_step=0.48, overruled=0.08),
)


def stage_at(tokens: float) -> Stage:
    """The stage in force after `tokens` training tokens."""
    return next(stage for stage in reversed(_STAGES) if tokens >= stage.start)
