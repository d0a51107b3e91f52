"""Retrieval from a short list, and plain repetition.

Thinking cannot help here: the answer is one copy away. Repetition is the purest form of the copying that scenes and
look-ups need, and the curriculum begins with much of it.
"""

from __future__ import annotations

import random

from .sample import Sample
from .words import COLOURS, KEYS, PEOPLE, SHAPES, THINGS

_INTROS = ("List:", "Here is a list.", "Table:", "Look at this list:", "Data:")
_ASK_ONE = ("What is the value of {}?", "What belongs to {}?", "Look up {}.", "What is listed for {}?", "Give the entry of {}.", "Find {}.", "{}?")
_ASK_MANY = ("Look up {}.", "Give the entries of {}.", "Find {}.", "What is listed for {}?", "What are the values of {}?")
_REPEAT = ("Repeat: {}", "Say: {}", "Repeat after me: {}", "Copy this: {}", "Please repeat: {}")


def _value(rng: random.Random, kind: str) -> str:
    if kind == "number":
        return str(rng.randint(0, 9) if rng.random() < 0.2 else rng.randint(10, 99) if rng.random() < 0.8 else rng.randint(100, 999))
    if kind == "color":
        return rng.choice(COLOURS)
    return f"{rng.choice(COLOURS)} {rng.choice(SHAPES)}"


def _join(keys: list[str]) -> str:
    return keys[0] if len(keys) == 1 else f"{', '.join(keys[:-1])} and {keys[-1]}"


def generate(rng: random.Random, most_entries: int = 8) -> Sample:
    """`most_entries` lets the curriculum begin with short lists."""
    kind = rng.choices(("number", "color", "object"), (55, 20, 25))[0]
    pool = KEYS if rng.random() < 0.7 else tuple(name for name, _ in PEOPLE)
    keys = rng.sample(pool, rng.randint(3, most_entries))
    entries = {key: _value(rng, kind) for key in keys}
    asked = rng.sample(keys, rng.choices((1, 2, 3), (55, 30, 15))[0])
    lines = [f"{key}: {value}" for key, value in entries.items()]
    intro = rng.choice(_INTROS)
    listed = "\n".join([intro, *lines]) if rng.random() < 0.7 else f"{intro} {', '.join(lines)}."
    question = rng.choice(_ASK_ONE if len(asked) == 1 else _ASK_MANY).format(_join(asked))
    found = [f"{key}: {entries[key]}" for key in asked]
    thinking = "\n".join([f"Look for {_join(asked)}", *found])
    return Sample("lookups", f"{kind}-{len(asked)}", f"{listed}\n{question}", thinking, ", ".join(found) + ".")


def repeat(rng: random.Random) -> Sample:
    """A line to be said again, made of the words of the other tasks."""
    words = [*KEYS, *THINGS, *COLOURS, *SHAPES, *(name for name, _ in PEOPLE), "none", "left", "right"]
    roll = rng.random()
    if roll < 0.4:
        text = " ".join(rng.choice(words) for _ in range(rng.randint(3, 12)))
    elif roll < 0.7:
        text = ", ".join(f"{rng.choice(COLOURS)} {rng.choice(SHAPES)}" for _ in range(rng.randint(2, 5)))
    else:
        text = ", ".join(str(rng.randint(0, 99)) for _ in range(rng.randint(3, 6)))
    return Sample("lookups", "repeat", rng.choice(_REPEAT).format(text), "I say the same words again.", text)
