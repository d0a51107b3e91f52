"""Names and things that the stories, lists and scenes are made of."""

from __future__ import annotations

#: Name, subject pronoun. Few names: each is one token, so that it can serve as a key.
PEOPLE = (
    ("Anna", "She"), ("Ben", "He"), ("Eva", "She"), ("Leo", "He"), ("Mia", "She"), ("Max", "He"),
    ("Nina", "She"), ("Tom", "He"), ("Sam", "He"), ("Lena", "She"),
)
THINGS = ("apples", "books", "cards", "coins", "eggs", "pens", "shells", "stamps", "boxes", "balls")
COLOURS = ("red", "blue", "green", "black", "white")
SHAPES = ("cube", "ball", "cone", "ring", "star")
KEYS = ("apple", "pear", "plum", "fig", "lemon", "rose", "oak", "fox", "cat", "dog", "owl", "sun", "moon", "key",
        "cup", "hat", "bell", "lamp", "box", "pen")
