"""Short word problems: inventories that change, comparisons, totals, prices, change, rates and multiples.

The last opening and the last question of an inventory are never trained on, as the unseen text of every other kind.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from .chains import Step, chain, state, think
from .sample import Sample
from .wordings import CHANGE, MORE, PRICE, RATE, TIMES, TOTAL, TOTAL_OF_THREE, VERBS, Wordings
from .words import PEOPLE, THINGS

#: Index of the phrasing that only the "unseen" evaluation uses.
_UNSEEN = -1

_GAINS = ("buys {n} more", "finds {n} more", "gets {n} more", "wins {n}", "buys {n}", "gets {n} from {other}",
          "finds {n}", "picks up {n} more")
_LOSSES = ("gives {n} to {other}", "loses {n}", "sells {n}", "gives away {n}", "uses {n}", "gives {n} away",
           "sells {n} of them", "hands {n} to {other}")
_ASK_NOW = ("How many {things} does {name} have now?", "How many {things} does {name} have left?", "How many {things} are there now?",
            "How many does {name} have?", "How many {things} has {name} got?", "How many {things} does {name} have in the end?",
            "How many {things} are with {name} now?", "How many are left?", "How many {things} does {name} own at the end?",
            "With how many {things} does {name} end up?")
_OPENINGS = ("{name} has {n} {things}.", "{name} had {n} {things}.", "{name} starts with {n} {things}.",
             "There are {n} {things} in the box of {name}.", "{name} owns {n} {things}.", "{name} keeps {n} {things}.",
             "In the morning {name} has {n} {things}.", "First {name} gets {n} {things}.", "{n} {things} belong to {name}.",
             "At first {name} has {n} {things}.")

def _pick(rng: random.Random, phrasings: tuple[str, ...], unseen: bool) -> str:
    return phrasings[_UNSEEN] if unseen else rng.choice(phrasings[:_UNSEEN])


def _number(rng: random.Random) -> int:
    return rng.randint(2, 12) if rng.random() < 0.4 else rng.randint(10, 99)


def _cast(rng: random.Random) -> dict[str, str]:
    (name, pronoun), (other, _), (third, _) = rng.sample(PEOPLE, 3)
    does, do = rng.choice(VERBS)
    return {"name": name, "pronoun": pronoun, "other": other, "third": third, "things": rng.choice(THINGS), "does": does, "do": do}


def _inventory(rng: random.Random, unseen: bool, most_events: int) -> Sample:
    cast = _cast(rng)
    count = min(rng.choices((1, 2, 3), (32, 39, 29))[0], most_events)
    start = _number(rng)
    value, terms, events = start, [], []
    for _ in range(count):
        number = _number(rng)
        loses = rng.random() < 0.5 and number <= value
        terms.append(("-" if loses else "+", number))
        value += -number if loses else number
        events.append(rng.choice(_LOSSES if loses else _GAINS).format(n=number, **cast))
    if count > 1 and rng.random() < 0.5:
        told = f"{cast['pronoun']} {', '.join(events[:-1])}{rng.choice((' and then ', ' and '))}{events[-1]}."
    else:
        told = " ".join([f"{cast['pronoun']} {events[0]}.", *(f"Then {cast['pronoun'].lower()} {event}." for event in events[1:])])
    opening = _pick(rng, _OPENINGS, unseen).format(n=start, **cast)
    prompt = f"{opening} {told} {_pick(rng, _ASK_NOW, unseen).format(**cast)}"
    expression, steps = chain(start, terms)
    return Sample("stories", f"inventory-{count}", prompt, think(expression, steps), state(steps[-1].value))


def _compare(rng: random.Random, unseen: bool) -> Sample:
    a, b = sorted((_number(rng), _number(rng)), reverse=True)
    prompt = MORE.pick(rng, unseen).format(a=a, b=b, **_cast(rng))
    return _one_step("comparison", prompt, Step(a, "-", b))


def _total(rng: random.Random, unseen: bool) -> Sample:
    a, b, c = _number(rng), _number(rng), _number(rng)
    if rng.random() < 0.6:
        return _one_step("total", TOTAL.pick(rng, unseen).format(a=a, b=b, **_cast(rng)), Step(a, "+", b))
    expression, steps = chain(a, [("+", b), ("+", c)])
    prompt = TOTAL_OF_THREE.pick(rng, unseen).format(a=a, b=b, c=c, **_cast(rng))
    return Sample("stories", "total-of-three", prompt, think(expression, steps), state(steps[-1].value))


def _product(kind: str, wordings: Wordings) -> Callable[[random.Random, bool], Sample]:
    def generate_product(rng: random.Random, unseen: bool) -> Sample:
        a, b = rng.randint(2, 9), rng.randint(2, 9) if rng.random() < 0.5 else rng.randint(10, 60)
        return _one_step(kind, wordings.pick(rng, unseen).format(a=a, b=b, **_cast(rng)), Step(a, "*", b))

    return generate_product


def _change(rng: random.Random, unseen: bool) -> Sample:
    a, b = rng.randint(2, 9), rng.randint(2, 20)
    c = a * b + rng.choice((rng.randint(0, 9), rng.randint(10, 60)))
    prompt = CHANGE.pick(rng, unseen).format(a=a, b=b, c=c, **_cast(rng))
    cost = Step(a, "*", b)
    rest = Step(c, "-", cost.value)
    return Sample("stories", "change", prompt, think(f"{c}-{a}*{b}", [cost, rest]), state(rest.value))


def _one_step(kind: str, prompt: str, step: Step) -> Sample:
    expression = f"{step.left}{step.symbol}{step.right}"
    return Sample("stories", kind, prompt, think(expression, [step]), state(step.value))


_PRICED, _RATED, _MULTIPLIED = _product("price", PRICE), _product("rate", RATE), _product("times", TIMES)


def generate(rng: random.Random, most_events: int = 3, unseen: bool = False) -> Sample:
    """`unseen` draws from the phrasings that training never sees."""
    roll = rng.random()
    if roll < 0.45:
        return _inventory(rng, unseen, most_events)
    if roll < 0.56:
        return _compare(rng, unseen)
    if roll < 0.70:
        return _total(rng, unseen)
    if roll < 0.78:
        return _PRICED(rng, unseen)
    if roll < 0.88:
        return _change(rng, unseen)
    return (_RATED if roll < 0.94 else _MULTIPLIED)(rng, unseen)
