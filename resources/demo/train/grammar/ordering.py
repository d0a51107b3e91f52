"""Comparing and sorting a few numbers."""

from __future__ import annotations

import random

from .chains import state
from .sample import Sample

_TWO = {
    "larger": ("Which is larger, {a} or {b}?", "Which number is larger: {a} or {b}?", "What is larger, {a} or {b}?",
               "Is {a} or {b} the larger number?", "Which is more, {a} or {b}?", "Give the larger of {a} and {b}."),
    "smaller": ("Which is smaller, {a} or {b}?", "Which number is smaller: {a} or {b}?", "What is smaller, {a} or {b}?",
                "Is {a} or {b} the smaller number?", "Which is less, {a} or {b}?", "Give the smaller of {a} and {b}."),
}
_MANY = {
    "larger": ("What is the largest of {}?", "Find the largest number: {}", "Which is the largest: {}?",
               "Give the largest of {}.", "Which of {} is the largest?"),
    "smaller": ("What is the smallest of {}?", "Find the smallest number: {}", "Which is the smallest: {}?",
                "Give the smallest of {}.", "Which of {} is the smallest?"),
}
_SORT = {
    "smaller": ("Sort {}", "Sort {}.", "Sort these numbers: {}", "Put in order: {}", "Order {} from small to large.",
                "Sort from small to large: {}"),
    "larger": ("Sort {} from large to small.", "Sort from large to small: {}", "Order {} from large to small.",
               "Put in order from large to small: {}", "Sort these numbers from large to small: {}"),
}


def _numbers(rng: random.Random, count: int) -> list[int]:
    drawn: set[int] = set()
    while len(drawn) < count:
        drawn.add(rng.randint(0, 9) if rng.random() < 0.2 else rng.randint(10, 99))
    numbers = list(drawn)
    rng.shuffle(numbers)
    return numbers


def _why(a: int, b: int) -> str:
    """The first difference between two numbers, read from the left."""
    x, y = str(a), str(b)
    sign = "<" if a < b else ">"
    if len(x) != len(y):
        return f"{len(x)} digits {sign} {len(y)}"
    if x[0] != y[0] or len(x) == 1:
        return f"{x[0]}{sign}{y[0]}"
    return f"{x[0]}={y[0]}, {x[1]}{sign}{y[1]}"


def _two(rng: random.Random) -> Sample:
    a, b = _numbers(rng, 2)
    wanted = rng.choice(("larger", "smaller"))
    best = max(a, b) if wanted == "larger" else min(a, b)
    thinking = f"Compare {a} and {b}\n{_why(a, b)}\n{wanted}: {best}"
    return Sample("ordering", "two", rng.choice(_TWO[wanted]).format(a=a, b=b), thinking, state(best))


def _many(rng: random.Random) -> Sample:
    numbers = _numbers(rng, rng.randint(3, 5))
    wanted = rng.choice(("larger", "smaller"))
    pick = max if wanted == "larger" else min
    best, lines = numbers[0], [f"Start with {numbers[0]}"]
    for number in numbers[1:]:
        sign = "<" if number < best else ">"
        lines.append(f"{number}{sign}{best}: {pick(best, number)}")
        best = pick(best, number)
    listed = ", ".join(map(str, numbers))
    return Sample("ordering", "extreme", rng.choice(_MANY[wanted]).format(listed), "\n".join(lines), state(best))


def _inserted(line: list[int], number: int, sign: str) -> str:
    """Puts `number` into the ordered `line`, comparing it from the left until its place is found."""
    compared = []
    for place, entry in enumerate([*line]):
        if sorted((number, entry), reverse=sign == ">")[0] == number:
            compared.append(f"{number}{sign}{entry}")
            line.insert(place, number)
            break
        compared.append(f"{number}{'>' if sign == '<' else '<'}{entry}")
    else:
        line.append(number)
    return f"{', '.join(compared)}: {','.join(map(str, line))}"


def _sort(rng: random.Random) -> Sample:
    numbers = _numbers(rng, rng.randint(3, 5))
    wanted = "smaller" if rng.random() < 0.65 else "larger"
    ordered = sorted(numbers, reverse=wanted == "larger")
    sign = "<" if wanted == "smaller" else ">"
    line, lines = [numbers[0]], [f"{'small' if wanted == 'smaller' else 'large'} first: {numbers[0]}"]
    for number in numbers[1:]:
        lines.append(_inserted(line, number, sign))
    listed = ", ".join(map(str, numbers))
    prompt = rng.choice(_SORT[wanted]).format(listed)
    return Sample("ordering", "sort", prompt, "\n".join(lines), ", ".join(map(str, ordered)) + ".")


def generate(rng: random.Random) -> Sample:
    return rng.choices((_two, _many, _sort), (35, 25, 40))[0](rng)
