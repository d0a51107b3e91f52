"""Sums, differences and small products as bare expressions."""

from __future__ import annotations

import random

from .chains import Step, chain, state, think
from .sample import Sample

_PHRASINGS = (
    "What is {}?", "What is {}?", "What is {}?", "what is {}", "{}", "{} =", "{}=?", "Calculate {}", "Calculate {}.",
    "Compute {}.", "compute {}", "How much is {}?", "What does {} make?", "Please compute {}.", "Solve {}.",
    "Work out {}.", "What's {}?", "Add up: {}", "Tell me {}.", "Can you compute {}?", "Evaluate {}.",
)


def _operand(rng: random.Random, hard: bool) -> int:
    roll = rng.random()
    if hard:
        return rng.randint(100, 999) if roll < 0.6 else rng.randint(10, 99)
    if roll < 0.38:
        return rng.randint(0, 9)
    if roll < 0.55:
        return 10 * rng.randint(1, 9)
    return rng.randint(10, 99)


def _single(rng: random.Random) -> tuple[int, list[tuple[str, int]]]:
    roll = rng.random()
    if roll < 0.40:
        a, b = rng.randint(0, 9), rng.randint(0, 9)
    elif roll < 0.52:
        a, b = 10 * rng.randint(1, 9), rng.choice((10 * rng.randint(1, 9), rng.randint(1, 9)))
    elif roll < 0.70:
        a, b = rng.randint(10, 99), rng.randint(1, 9)
        if rng.random() < 0.3:
            a, b = b, a
    elif roll < 0.90:
        a, b = rng.randint(10, 99), rng.randint(10, 99)
    else:
        a, b = _operand(rng, hard=True), _operand(rng, hard=True)
    if rng.random() < 0.55:
        return a, [("+", b)]
    if a < b and rng.random() < 0.75:
        a, b = b, a
    return a, [("-", b)]


def _several(rng: random.Random, count: int) -> tuple[int, list[tuple[str, int]]]:
    hard = count == 2 and rng.random() < 0.25
    start = _operand(rng, hard)
    value, terms = start, []
    for _ in range(count):
        number = _operand(rng, hard)
        symbol = "-" if rng.random() < 0.45 and number <= value else "+"
        terms.append((symbol, number))
        value += number if symbol == "+" else -number
    return start, terms


def generate(rng: random.Random, most_steps: int = 4) -> Sample:
    """`most_steps` lets the curriculum begin with short chains."""
    count = min(rng.choices((1, 2, 3, 4), (48, 26, 15, 11))[0], most_steps)
    if count == 1 and rng.random() < 0.18:
        step = Step(rng.randint(2, 9), "*", rng.randint(1, 9) if rng.random() < 0.6 else rng.randint(10, 99))
        expression, steps, kind = f"{step.left}*{step.right}", [step], "product"
        spaced = f"{step.left} {rng.choice('*x')} {step.right}"
    else:
        start, terms = _single(rng) if count == 1 else _several(rng, count)
        expression, steps = chain(start, terms)
        spaced = " ".join([str(start), *(f"{symbol} {number}" for symbol, number in terms)])
        kind = f"{count}-step"
    shown = spaced if rng.random() < 0.8 else expression
    prompt = rng.choice(_PHRASINGS).format(shown)
    return Sample("sums", kind, prompt, think(expression, steps), state(steps[-1].value))
