"""Small object grids with questions in GQA's manner, and pairs of scenes with statements in NLVR2's manner.

The thinking copies a whole row before it judges it, and counts with a mark right behind each match: copying and
filtering in one go is what tiny models fail at.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from .sample import Sample
from .words import COLOURS, SHAPES

Thing = tuple[str, str]
Row = list[Thing | None]
Test = Callable[[Thing], bool]

_ROW_NAMES = ("top", "middle", "bottom")
_COLUMN_NAMES = ("left", "center", "right")

_COUNT = ("How many {}s are there?", "How many {}s do you see?", "Count the {}s.", "What is the number of {}s?", "How many {}s are in the image?")
_EXIST = ("Is there a {}?", "Is there any {}?", "Do you see a {}?", "Does the image have a {}?", "Is a {} in the image?")
_COLOUR = ("What color is the {}?", "Which color has the {}?", "What is the color of the {}?", "Name the color of the {}.",
           "The {} has which color?")
_AT = ("What is at the {}?", "What do you see at the {}?", "Which object is at the {}?", "Name the object at the {}.", "What is in the {}?")
_BESIDE = ("What is {} of the {}?", "Which object is {} of the {}?", "What do you see {} of the {}?", "Name the object {} of the {}.",
           "What is directly {} of the {}?")
_MORE = ("Are there more {}s than {}s?", "Do you see more {}s than {}s?", "Is the number of {}s larger than that of {}s?",
         "Does the image have more {}s than {}s?", "More {}s than {}s?")


def _thing(rng: random.Random, colours: list[str], shapes: list[str]) -> Thing:
    return rng.choice(colours), rng.choice(shapes)


def _palette(rng: random.Random) -> tuple[list[str], list[str]]:
    """Few colours and shapes a scene, so that counts above one are common."""
    return rng.sample(COLOURS, rng.randint(2, 4)), rng.sample(SHAPES, rng.randint(2, 4))


def _show(thing: Thing | None) -> str:
    return "none" if thing is None else " ".join(thing)


def _describe(row: Row) -> str:
    return ", ".join(_show(thing) for thing in row)


def _grid(rng: random.Random, rows: int) -> list[Row]:
    colours, shapes = _palette(rng)
    return [[None if rng.random() < 0.15 else _thing(rng, colours, shapes) for _ in range(3)] for _ in range(rows)]


def _names(rows: list[Row]) -> tuple[str, ...]:
    return _ROW_NAMES if len(rows) == 3 else (_ROW_NAMES[0], _ROW_NAMES[2])


def _image(rows: list[Row]) -> str:
    return "\n".join(["Image:", *(f"{name}: {_describe(row)}" for name, row in zip(_names(rows), rows, strict=True))])


def _test(rng: random.Random, pool: list[Thing]) -> tuple[str, Test]:
    """A noun phrase and what it matches; usually about something that is in the scene."""
    colour, shape = rng.choice(pool) if pool and rng.random() < 0.8 else (rng.choice(COLOURS), rng.choice(SHAPES))
    roll = rng.random()
    if roll < 0.35:
        return f"{colour} object", lambda thing: thing[0] == colour
    if roll < 0.70:
        return shape, lambda thing: thing[1] == shape
    return f"{colour} {shape}", lambda thing: thing == (colour, shape)


def _mark(row: Row, test: Test, before: int) -> tuple[str, int]:
    """The row copied, each match followed by the running count."""
    cells, count = [], before
    for thing in row:
        if thing is not None and test(thing):
            count += 1
            cells.append(f"{_show(thing)} #{count}")
        else:
            cells.append(_show(thing))
    return ", ".join(cells), count


def _tally(rows: list[Row], test: Test) -> tuple[list[str], int]:
    lines, count = [], 0
    for name, row in zip(_names(rows), rows, strict=True):
        marked, count = _mark(row, test, count)
        lines.append(f"{name}: {marked}")
    return lines, count


def _search(rows: list[Row], test: Test) -> list[str]:
    """Rows are copied until the first match."""
    lines = []
    for name, row in zip(_names(rows), rows, strict=True):
        marked, count = _mark(row, test, 0)
        lines.append(f"{name}: {marked}")
        if count:
            break
    return lines


def _things(rows: list[Row]) -> list[Thing]:
    return [thing for row in rows for thing in row if thing is not None]


def _count(rng: random.Random, rows: list[Row]) -> Sample:
    phrase, test = _test(rng, _things(rows))
    lines, count = _tally(rows, test)
    question = rng.choice(_COUNT).format(phrase)
    return _sample("count", rows, question, [f"Count {phrase}s", *lines, f"total {count}"], f"{count}.")


def _exist(rng: random.Random, rows: list[Row]) -> Sample:
    pool = _things(rows)
    phrase, test = _test(rng, pool if rng.random() < 0.35 else [])
    found = any(map(test, pool))
    lines = [f"Find a {phrase}", *_search(rows, test), "found" if found else "not found"]
    return _sample("exist", rows, rng.choice(_EXIST).format(phrase), lines, "Yes." if found else "No.")


def _colour(rng: random.Random, rows: list[Row]) -> Sample | None:
    shapes = [shape for _, shape in _things(rows)]
    unique = [thing for thing in _things(rows) if shapes.count(thing[1]) == 1]
    if not unique:
        return None
    colour, shape = rng.choice(unique)
    lines = [f"Find the {shape}", *_search(rows, lambda thing: thing[1] == shape), f"color {colour}"]
    return _sample("color", rows, rng.choice(_COLOUR).format(shape), lines, f"{colour.capitalize()}.")


def _name_answer(thing: Thing | None) -> str:
    return "Nothing." if thing is None else f"A {_show(thing)}."


def _at(rng: random.Random, rows: list[Row]) -> Sample:
    names = _names(rows)
    row, column = rng.randrange(len(rows)), rng.randrange(3)
    place = f"{names[row]} {_COLUMN_NAMES[column]}"
    lines = [f"Look at the {place}", f"{names[row]}: {_describe(rows[row])}", f"{_COLUMN_NAMES[column]}: {_show(rows[row][column])}"]
    return _sample("at", rows, rng.choice(_AT).format(place), lines, _name_answer(rows[row][column]))


def _beside(rng: random.Random, rows: list[Row]) -> Sample | None:
    pool = _things(rows)
    side = rng.choice(("left", "right"))
    offset = -1 if side == "left" else 1
    places = [(row, i) for row in rows for i, thing in enumerate(row)
              if thing is not None and pool.count(thing) == 1 and 0 <= i + offset < 3]
    if not places:
        return None
    row, i = rng.choice(places)
    target, neighbour = row[i], row[i + offset]
    lines = [f"Find the {_show(target)}", *_search(rows, lambda thing: thing == target), f"{side}: {_show(neighbour)}"]
    return _sample("beside", rows, rng.choice(_BESIDE).format(side, _show(target)), lines, _name_answer(neighbour))


def _more(rng: random.Random, rows: list[Row]) -> Sample | None:
    shapes = sorted({shape for _, shape in _things(rows)})
    if len(shapes) < 2:
        return None
    first, second = rng.sample(shapes, 2)
    first_lines, a = _tally(rows, lambda thing: thing[1] == first)
    second_lines, b = _tally(rows, lambda thing: thing[1] == second)
    lines = [f"Count {first}s", *first_lines, f"total {a}", f"Count {second}s", *second_lines, f"total {b}", f"{a} and {b}"]
    return _sample("more", rows, rng.choice(_MORE).format(first, second), lines, "Yes." if a > b else "No.")


def _sample(kind: str, rows: list[Row], question: str, lines: list[str], answer: str) -> Sample:
    return Sample("scenes", kind, f"{_image(rows)}\n{question}", "\n".join(lines), answer)


_NUMBERS = ("exactly {n}", "{n}", "just {n}")
_PAIR_TOTAL = ("There are {q} {p}s in total.", "There are {q} {p}s in the two images.", "The images have {q} {p}s in all.",
               "Both images together have {q} {p}s.", "In total you see {q} {p}s.")
_PAIR_MORE = ("The {s} image has more {p}s than the {o} image.", "There are more {p}s in the {s} image.",
              "More {p}s are in the {s} image than in the {o} image.", "The {s} image shows more {p}s.", "You see more {p}s in the {s} image.")
_PAIR_BOTH = ("Both images have a {p}.", "There is a {p} in both images.", "Each image has a {p}.", "A {p} is in both images.",
              "Both images show a {p}.")
_PAIR_ONE = ("Only one image has a {p}.", "There is a {p} in only one image.", "Just one of the images has a {p}.",
             "A {p} is in one image but not in the other.", "One image has a {p}, the other has none.")


_CLAIMS = ("True or false? I found {found} and you said {said}.", "You said {said} and I found {found}. True or false?",
           "True or false? Found {found}, said {said}.", "Said {said}, found {found}. True or false?",
           "True or false? You said {said}, it is {found}.")


def _judgement(found: str, said: str) -> str:
    return f"found {found}, said {said}: {'yes' if found == said else 'no'}"


def _verdict(found: str, said: str) -> str:
    return "True." if found == said else "False."


def _pair(rng: random.Random) -> Sample:
    colours, shapes = _palette(rng)
    sides = ("left", "right")
    images = [[_thing(rng, colours, shapes) for _ in range(rng.randint(1, 4))] for _ in sides]
    phrase, test = _test(rng, [thing for image in images for thing in image])
    marked, counts = [], []
    for side, image in zip(sides, images, strict=True):
        text, count = _mark(list(image), test, 0)
        marked.append(f"{side}: {text}\n{side} {count}")
        counts.append(count)
    kind = rng.choice(("total", "more", "both", "one"))
    if kind == "total":
        total = sum(counts)
        number = total if rng.random() < 0.5 else max(0, total + rng.choice((-1, 1, 2)))
        statement = rng.choice(_PAIR_TOTAL).format(q=rng.choice(_NUMBERS).format(n=number), p=phrase)
        claim, found, reason = str(number), str(total), f"{counts[0]}+{counts[1]}={total}"
    elif kind == "more":
        side = rng.randrange(2)
        statement = rng.choice(_PAIR_MORE).format(s=sides[side], o=sides[1 - side], p=phrase)
        sign = "=" if counts[0] == counts[1] else "<" if counts[0] < counts[1] else ">"
        claim, found, reason = sides[side], {"=": "same", "<": "right", ">": "left"}[sign], f"{counts[0]}{sign}{counts[1]}"
    else:
        statement = rng.choice(_PAIR_BOTH if kind == "both" else _PAIR_ONE).format(p=phrase)
        having = sum(count > 0 for count in counts)
        claim, found = kind, ("none", "one", "both")[having]
        reason = " and ".join("yes" if count else "no" for count in counts)
    image = "\n".join(f"{side} image: {_describe(list(things))}" for side, things in zip(sides, images, strict=True))
    prompt = f"{image}\nTrue or false? {statement}"
    about = {"total": "total", "more": "more"}.get(kind, "in")
    lines = [f"Claim: {about} {claim}", f"Count {phrase}s", *marked, reason, _judgement(found, claim)]
    return Sample("scenes", f"pair-{kind}", prompt, "\n".join(lines), _verdict(found, claim))


def claim(rng: random.Random) -> Sample:
    """Only the last step of a pair: whether what was found is what was said. For the curriculum, which has much of it first."""
    words = rng.choice((tuple(map(str, range(9))), ("left", "right", "same"), ("none", "one", "both")))
    found = rng.choice(words)
    said = found if rng.random() < 0.5 else rng.choice(words)
    prompt = rng.choice(_CLAIMS).format(found=found, said=said)
    return Sample("scenes", "claim", prompt, _judgement(found, said), _verdict(found, said))


_QUESTIONS: tuple[Callable[[random.Random, list[Row]], Sample | None], ...] = (_count, _exist, _colour, _at, _beside, _more)


def generate(rng: random.Random, most_rows: int = 3) -> Sample:
    """`most_rows` lets the curriculum begin with two rows."""
    if rng.random() < 0.4:
        return _pair(rng)
    while True:
        rows = _grid(rng, min(most_rows, rng.randint(2, 3)))
        question = rng.choices(_QUESTIONS, (28, 13, 12, 15, 20, 12))[0]
        if (sample := question(rng, rows)) is not None:
            return sample
