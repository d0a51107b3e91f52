"""Writes the held-out sets as JSON Lines: `test` for the model card, `validation` for every choice made on the way.

Usage: python make_eval_sets.py OUT_DIR
"""

from __future__ import annotations

import json
import random
import sys
from dataclasses import asdict
from pathlib import Path

from grammar.mixture import TASKS, UNSEEN
from grammar.sample import Generator, Sample, Split, draw, split_of

_SIZES: dict[Split, int] = {"test": 400, "validation": 200}


def held_out(generator: Generator, split: Split, size: int, seed: str) -> list[Sample]:
    """`size` samples with different prompts."""
    rng = random.Random(seed)
    samples: dict[str, Sample] = {}
    while len(samples) < size:
        sample = draw(generator, rng, split)
        samples.setdefault("".join(sample.prompt.lower().split()), sample)
    return list(samples.values())


def main() -> None:
    out = Path(sys.argv[1])
    for split, size in _SIZES.items():
        folder = out if split == "test" else out / split
        folder.mkdir(parents=True, exist_ok=True)
        for task, generator in (TASKS | {"unseen": UNSEEN}).items():
            samples = held_out(generator, split, size, f"{split}/{task}")
            if any(split_of(sample.prompt) != split for sample in samples):
                raise ValueError(f"{task}: a prompt of another split")
            lines = (json.dumps(asdict(sample), ensure_ascii=False) + "\n" for sample in samples)
            (folder / f"{task}.jsonl").write_text("".join(lines))


if __name__ == "__main__":
    main()
