"""Short word problems. Each kind has several phrasings; the last of every list is never trained on.

The held-out phrasing measures whether the model understood the kind or only its wording.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from .chains import Step, chain, state, think
from .sample import Sample
from .words import PEOPLE, THINGS

#: Index of the phrasing that only the "unseen" evaluation uses.
_UNSEEN = -1

_GAINS = ("buys {n} more", "finds {n} more", "gets {n} more", "wins {n}", "buys {n}", "gets {n} from {other}",
          "finds {n}", "picks up {n} more")
_LOSSES = ("gives {n} to {other}", "loses {n}", "sells {n}", "gives away {n}", "uses {n}", "gives {n} away",
           "sells {n} of them", "hands {n} to {other}")
_ASK_NOW = ("How many {things} does {name} have now?", "How many {things} does {name} have left?", "How many {things} are there now?",
            "How many does {name} have?", "How many {things} has {name} got?", "With how many {things} does {name} end up?")
_OPENINGS = ("{name} has {n} {things}.", "{name} had {n} {things}.", "{name} starts with {n} {things}.",
             "There are {n} {things} in the box of {name}.", "{name} owns {n} {things}.", "At first {name} has {n} {things}.")

_MORE = (
    "{name} has {a} {things} and {other} has {b}. How many more {things} does {name} have?",
    "{name} has {a} {things}, {other} has {b} {things}. How many more does {name} have than {other}?",
    "{other} has {b} {things} and {name} has {a} {things}. How many more {things} has {name} got?",
    "{other} has {b} {things}. {name} has {a} {things}. How many fewer {things} does {other} have?",
    "{name} has {a} {things}, {other} only {b}. What is the difference?",
    "How many more {things} does {name} have than {other}, if {name} has {a} and {other} has {b}?",
    "{name} counts {a} {things} and {other} counts {b}. By how many is {name} ahead?",
)
_TOTAL = (
    "{name} has {a} {things} and {other} has {b} {things}. How many do they have together?",
    "{name} has {a} {things} and {other} has {b}. How many {things} do they have in total?",
    "{name} has {a} {things}. {other} has {b} {things}. How many {things} are there in all?",
    "{name} has {a} {things}, {other} has {b}. How many together?",
    "{name} and {other} have {a} and {b} {things}. How many {things} do they have together?",
    "What is the total if {name} has {a} {things} and {other} has {b}?",
    "{name} brings {a} {things} and {other} brings {b} {things}. How many {things} is that altogether?",
)
_TOTAL_THREE = (
    "{name} has {a} {things}, {other} has {b} and {third} has {c}. How many do they have together?",
    "{name} has {a} {things}, {other} has {b}, {third} has {c}. How many {things} are there in all?",
    "{name} has {a} {things}. {other} has {b}. {third} has {c}. How many {things} do they have in total?",
    "{name}, {other} and {third} have {a}, {b} and {c} {things}. How many together?",
    "What is the total if {name} has {a}, {other} has {b} and {third} has {c} {things}?",
    "{name} brings {a} {things}, {other} brings {b} and {third} brings {c}. How many is that altogether?",
)
_PRICE = (
    "One of the {things} costs {b} dollars. How much do {a} cost?",
    "{name} buys {a} {things} at {b} dollars each. How much does {name} pay?",
    "{a} {things} at {b} dollars each: how much is that?",
    "{name} buys {a} {things}. Each costs {b} dollars. What is the total?",
    "How much do {a} {things} cost at {b} dollars each?",
    "{name} wants {a} {things} for {b} dollars each. How many dollars does {name} need?",
)
_CHANGE = (
    "{name} has {c} dollars and buys {a} {things} at {b} dollars each. How much is left?",
    "{name} has {c} dollars. {pronoun} buys {a} {things} for {b} dollars each. How many dollars does {name} have left?",
    "With {c} dollars {name} buys {a} {things} at {b} dollars each. How much is left?",
    "{name} pays with {c} dollars for {a} {things} at {b} dollars each. How much does {name} get back?",
    "{name} had {c} dollars and bought {a} {things} at {b} dollars each. How much does {name} have now?",
    "{a} {things} at {b} dollars each are paid with {c} dollars. How much comes back?",
)
_RATE = (
    "{name} reads {b} pages a day. How many pages does {name} read in {a} days?",
    "{name} makes {b} {things} a day. How many {things} does {name} make in {a} days?",
    "Each box holds {b} {things}. How many {things} are in {a} boxes?",
    "There are {a} boxes with {b} {things} each. How many {things} are there?",
    "{name} fills {a} boxes with {b} {things} each. How many {things} is that?",
    "{name} works {a} days and makes {b} {things} each day. How many {things} does {name} make?",
    "In {a} days, at {b} {things} a day, how many {things} does {name} collect?",
)
_TIMES = (
    "{other} has {b} {things}. {name} has {a} times as many. How many {things} does {name} have?",
    "{name} has {a} times as many {things} as {other}. {other} has {b}. How many does {name} have?",
    "{other} has {b} {things} and {name} has {a} times as many. How many {things} has {name} got?",
    "{name} has {a} times as many {things} as {other}, who has {b}. How many is that?",
    "If {other} has {b} {things} and {name} has {a} times as many, how many does {name} have?",
    "{other} owns {b} {things}; {name} owns {a} times that. How many {things} does {name} own?",
)


def _pick(rng: random.Random, phrasings: tuple[str, ...], unseen: bool) -> str:
    return phrasings[_UNSEEN] if unseen else rng.choice(phrasings[:_UNSEEN])


def _number(rng: random.Random) -> int:
    return rng.randint(2, 12) if rng.random() < 0.4 else rng.randint(10, 99)


def _cast(rng: random.Random) -> dict[str, str]:
    (name, pronoun), (other, _), (third, _) = rng.sample(PEOPLE, 3)
    return {"name": name, "pronoun": pronoun, "other": other, "third": third, "things": rng.choice(THINGS)}


def _inventory(rng: random.Random, unseen: bool, most_events: int) -> Sample:
    cast = _cast(rng)
    count = min(rng.choices((1, 2, 3), (40, 35, 25))[0], most_events)
    start = _number(rng)
    value, terms, events = start, [], []
    for _ in range(count):
        number = _number(rng)
        loses = rng.random() < 0.5 and number <= value
        terms.append(("-" if loses else "+", number))
        value += -number if loses else number
        events.append(rng.choice(_LOSSES if loses else _GAINS).format(n=number, **cast))
    joined = {1: "{0}", 2: "{0} and then {1}", 3: "{0}, {1} and then {2}"}[count].format(*events)
    if count == 1:
        told = f"{cast['pronoun']} {joined}."
    elif rng.random() < 0.5:
        told = f"{cast['pronoun']} {joined}."
    else:
        told = " ".join([f"{cast['pronoun']} {events[0]}.", *(f"Then {cast['pronoun'].lower()} {event}." for event in events[1:])])
    opening = _pick(rng, _OPENINGS, unseen).format(n=start, **cast)
    prompt = f"{opening} {told} {_pick(rng, _ASK_NOW, unseen).format(**cast)}"
    expression, steps = chain(start, terms)
    return Sample("stories", f"inventory-{count}", prompt, think(expression, steps), state(steps[-1].value))


def _compare(rng: random.Random, unseen: bool) -> Sample:
    a, b = sorted((_number(rng), _number(rng)), reverse=True)
    prompt = _pick(rng, _MORE, unseen).format(a=a, b=b, **_cast(rng))
    return _one_step("comparison", prompt, Step(a, "-", b))


def _total(rng: random.Random, unseen: bool) -> Sample:
    a, b, c = _number(rng), _number(rng), _number(rng)
    if rng.random() < 0.7:
        return _one_step("total", _pick(rng, _TOTAL, unseen).format(a=a, b=b, **_cast(rng)), Step(a, "+", b))
    expression, steps = chain(a, [("+", b), ("+", c)])
    prompt = _pick(rng, _TOTAL_THREE, unseen).format(a=a, b=b, c=c, **_cast(rng))
    return Sample("stories", "total-of-three", prompt, think(expression, steps), state(steps[-1].value))


def _product(kind: str, phrasings: tuple[str, ...]) -> Callable[[random.Random, bool], Sample]:
    def generate_product(rng: random.Random, unseen: bool) -> Sample:
        a, b = rng.randint(2, 9), rng.randint(2, 9) if rng.random() < 0.5 else rng.randint(10, 60)
        return _one_step(kind, _pick(rng, phrasings, unseen).format(a=a, b=b, **_cast(rng)), Step(a, "*", b))

    return generate_product


def _change(rng: random.Random, unseen: bool) -> Sample:
    a, b = rng.randint(2, 9), rng.randint(2, 20)
    c = a * b + rng.choice((rng.randint(0, 9), rng.randint(10, 60)))
    prompt = _pick(rng, _CHANGE, unseen).format(a=a, b=b, c=c, **_cast(rng))
    cost = Step(a, "*", b)
    rest = Step(c, "-", cost.value)
    return Sample("stories", "change", prompt, think(f"{c}-{a}*{b}", [cost, rest]), state(rest.value))


def _one_step(kind: str, prompt: str, step: Step) -> Sample:
    expression = f"{step.left}{step.symbol}{step.right}"
    return Sample("stories", kind, prompt, think(expression, [step]), state(step.value))


_PRICED, _RATED, _MULTIPLIED = _product("price", _PRICE), _product("rate", _RATE), _product("times", _TIMES)


def generate(rng: random.Random, most_events: int = 3, unseen: bool = False) -> Sample:
    """`unseen` draws from the phrasings that training never sees."""
    roll = rng.random()
    if roll < 0.40:
        return _inventory(rng, unseen, most_events)
    if roll < 0.52:
        return _compare(rng, unseen)
    if roll < 0.67:
        return _total(rng, unseen)
    if roll < 0.76:
        return _PRICED(rng, unseen)
    if roll < 0.84:
        return _change(rng, unseen)
    return (_RATED if roll < 0.92 else _MULTIPLIED)(rng, unseen)
