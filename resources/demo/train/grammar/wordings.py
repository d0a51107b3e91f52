"""How the word problems are told: whole texts, and facts and questions that fit each other in any pairing.

Pairing makes the phrasings many and mixes their words, so that a kind is recognised by what is asked and not by one
fixed text. `unseen` is never trained on: it measures whether the model understood the kind or only its wordings.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

_WHOLE_SHARE = 0.35


@dataclass(frozen=True)
class Wordings:
    """All texts of one kind; they name the people, the things and the numbers in braces."""

    whole: tuple[str, ...]
    facts: tuple[str, ...]
    questions: tuple[str, ...]
    unseen: str

    def pick(self, rng: random.Random, unseen: bool) -> str:
        if unseen:
            return self.unseen
        if rng.random() < _WHOLE_SHARE:
            return rng.choice(self.whole)
        return f"{rng.choice(self.facts)} {rng.choice(self.questions)}"


#: Third person and base form. "counts" and "brings" are left to the unseen texts.
VERBS = (
    ("has", "have"), ("has", "have"), ("has", "have"), ("has", "have"), ("owns", "own"), ("finds", "find"), ("makes", "make"),
    ("keeps", "keep"), ("sees", "see"), ("buys", "buy"), ("sells", "sell"), ("gets", "get"), ("wins", "win"), ("holds", "hold"),
)

_BOTH = (
    "{name} {does} {a} {things} and {other} {does} {b} {things}.",
    "{name} {does} {a} {things} and {other} {does} {b}.",
    "{name} {does} {a} {things}. {other} {does} {b} {things}.",
    "{name} {does} {a} {things}, {other} {does} {b}.",
    "{name} {does} {a} {things}; {other} {does} {b}.",
    "{other} {does} {b} {things} and {name} {does} {a}.",
    "{other} {does} {b} {things}. {name} {does} {a} {things}.",
    "{other} {does} {b} {things}, {name} {does} {a} {things}.",
)

MORE = Wordings(
    whole=(
        "{name} has {a} {things} and {other} has {b}. How many more {things} does {name} have?",
        "{name} has {a} {things}, {other} has {b} {things}. How many more does {name} have than {other}?",
        "{other} has {b} {things} and {name} has {a} {things}. How many more {things} has {name} got?",
        "{other} has {b} {things}. {name} has {a} {things}. How many fewer {things} does {other} have?",
        "{name} has {a} {things}, {other} only {b}. What is the difference?",
        "How many more {things} does {name} have than {other}, if {name} has {a} and {other} has {b}?",
        "What is the difference between {a} {things} and {b} {things}?",
        "If {name} {does} {a} {things} and {other} {does} {b}, how far ahead is {name}?",
        "With {a} {things} against {b} {name} is ahead of {other}. How big is the lead?",
        "By how many {things} does {name} beat {other}, if {name} {does} {a} and {other} {does} {b}?",
    ),
    facts=_BOTH,
    questions=(
        "How many more {things} does {name} {do}?",
        "How many more does {name} {do} than {other}?",
        "How many fewer {things} does {other} {do}?",
        "How many less does {other} {do}?",
        "What is the difference?",
        "How big is the difference?",
        "By how many {things} is {other} behind?",
        "By how many does {name} lead?",
        "How far is {name} ahead of {other}?",
        "How far ahead is {name}?",
        "By how much does {name} beat {other}?",
        "How many does {other} need to be as good as {name}?",
    ),
    unseen="{name} counts {a} {things} and {other} counts {b}. By how many is {name} ahead?",
)

_TOGETHER = (
    "How many do they {do} together?",
    "How many {things} do they {do} together?",
    "How many {things} do they {do} in total?",
    "How many {things} are there in all?",
    "How many {things} are there together?",
    "How many are there altogether?",
    "How many {things} is that in total?",
    "How many is that in all?",
    "What is the total?",
    "What is the sum?",
    "How many together?",
)
TOTAL = Wordings(
    whole=(
        "{name} has {a} {things} and {other} has {b} {things}. How many do they have together?",
        "{name} has {a} {things} and {other} has {b}. How many {things} do they have in total?",
        "{name} has {a} {things}. {other} has {b} {things}. How many {things} are there in all?",
        "{name} has {a} {things}, {other} has {b}. How many together?",
        "{name} and {other} have {a} and {b} {things}. How many {things} do they have together?",
        "What is the total if {name} has {a} {things} and {other} has {b}?",
        "If {name} {does} {a} {things} and {other} {does} {b}, how many do they {do} altogether?",
        "How many {things} do {name} and {other} {do} together, if {name} {does} {a} and {other} {does} {b}?",
    ),
    facts=_BOTH,
    questions=_TOGETHER,
    unseen="{name} brings {a} {things} and {other} brings {b} {things}. How many {things} is that altogether?",
)
TOTAL_OF_THREE = Wordings(
    whole=(
        "{name} has {a} {things}, {other} has {b} and {third} has {c}. How many do they have together?",
        "{name} has {a} {things}, {other} has {b}, {third} has {c}. How many {things} are there in all?",
        "{name}, {other} and {third} have {a}, {b} and {c} {things}. How many together?",
        "What is the total if {name} has {a}, {other} has {b} and {third} has {c} {things}?",
        "How many do {name}, {other} and {third} {do} in total, if they {do} {a}, {b} and {c} {things}?",
    ),
    facts=(
        "{name} {does} {a} {things}, {other} {does} {b} and {third} {does} {c}.",
        "{name} {does} {a} {things}, {other} {does} {b} {things} and {third} {does} {c} {things}.",
        "{name} {does} {a} {things}. {other} {does} {b}. {third} {does} {c}.",
        "{name} {does} {a} {things}; {other} {does} {b}; {third} {does} {c}.",
        "{name} {does} {a} {things} and {other} {does} {b}. {third} {does} {c} {things}.",
        "{name} {does} {a} {things}, {other} {b} and {third} {c}.",
    ),
    questions=_TOGETHER,
    unseen="{name} brings {a} {things}, {other} brings {b} and {third} brings {c}. How many is that altogether?",
)

_BOUGHT = (
    "{name} buys {a} {things} at {b} dollars each.",
    "{name} takes {a} {things} at {b} dollars each.",
    "{name} orders {a} {things} for {b} dollars each.",
    "{name} gets {a} {things}. Each costs {b} dollars.",
    "{name} picks {a} {things}, each for {b} dollars.",
    "One of the {things} costs {b} dollars. {name} buys {a} of them.",
    "The {things} cost {b} dollars each and {name} takes {a}.",
    "A shop sells {things} at {b} dollars each. {name} needs {a} of them.",
)
PRICE = Wordings(
    whole=(
        "One of the {things} costs {b} dollars. How much do {a} cost?",
        "{name} buys {a} {things} at {b} dollars each. How much does {name} pay?",
        "{a} {things} at {b} dollars each: how much is that?",
        "{name} buys {a} {things}. Each costs {b} dollars. What is the total?",
        "How much do {a} {things} cost at {b} dollars each?",
        "How many dollars do {a} {things} cost, if each is {b} dollars?",
        "What does {name} pay for {a} {things} at {b} dollars each?",
        "If one costs {b} dollars, how much money does {name} need for {a} {things}?",
    ),
    facts=_BOUGHT,
    questions=(
        "How much does {name} pay?", "What is the total?", "How much is that?", "How many dollars is that?", "How many dollars does {name} pay?",
        "How much money does {name} need?", "What do they cost together?", "How much do they cost in all?", "What is the price of all?",
        "How much has {name} to pay?", "What does {name} pay?",
    ),
    unseen="{name} wants {a} {things} for {b} dollars each. How many dollars does {name} need?",
)

CHANGE = Wordings(
    whole=(
        "{name} has {c} dollars and buys {a} {things} at {b} dollars each. How much is left?",
        "{name} has {c} dollars. {pronoun} buys {a} {things} for {b} dollars each. How many dollars does {name} have left?",
        "With {c} dollars {name} buys {a} {things} at {b} dollars each. How much is left?",
        "{name} pays with {c} dollars for {a} {things} at {b} dollars each. How much does {name} get back?",
        "{name} had {c} dollars and bought {a} {things} at {b} dollars each. How much does {name} have now?",
        "How much does {name} get back from {c} dollars for {a} {things} at {b} dollars each?",
        "{a} {things} at {b} dollars each, and {name} pays with {c} dollars: how much is left?",
        "If {a} {things} at {b} dollars each are taken from {c} dollars, how much is left?",
    ),
    facts=(
        *(f"{{name}} has {{c}} dollars. {fact}" for fact in _BOUGHT),
        *(f"{fact} {{name}} pays with {{c}} dollars." for fact in _BOUGHT),
        "{name} buys {a} {things} at {b} dollars each and pays with {c} dollars.",
        "{name} takes {a} {things} for {b} dollars each and gives {c} dollars.",
        "{a} {things} for {b} dollars each are bought with {c} dollars by {name}.",
        "{name} wants {a} {things} at {b} dollars each. {pronoun} hands over {c} dollars.",
        "From {c} dollars {name} buys {a} {things} at {b} dollars each.",
    ),
    questions=(
        "How much is left?", "How many dollars are left?", "How much money is left?", "How much does {name} get back?", "What does {name} get back?",
        "How many dollars does {name} have left?", "How many dollars come back?", "How much change does {name} get?", "What is the change?",
        "How much does {name} have now?", "What is left?",
    ),
    unseen="{a} {things} at {b} dollars each are paid with {c} dollars. How much comes back?",
)

RATE = Wordings(
    whole=(
        "{name} reads {b} pages a day. How many pages does {name} read in {a} days?",
        "{name} makes {b} {things} a day. How many {things} does {name} make in {a} days?",
        "Each box holds {b} {things}. How many {things} are in {a} boxes?",
        "There are {a} boxes with {b} {things} each. How many {things} are there?",
        "{name} fills {a} boxes with {b} {things} each. How many {things} is that?",
        "{name} works {a} days and makes {b} {things} each day. How many {things} does {name} make?",
        "At {b} {things} a day, how many {things} does {name} {do} in {a} days?",
        "How many {things} are in {a} boxes, if each box holds {b}?",
    ),
    facts=(
        "{name} {does} {b} {things} a day for {a} days.",
        "{name} {does} {b} {things} each day. This goes on for {a} days.",
        "For {a} days {name} {does} {b} {things} a day.",
        "In each of {a} boxes there are {b} {things} of {name}.",
        "{name} has {a} boxes with {b} {things} in each.",
        "{name} has {a} boxes. Each box holds {b} {things}.",
        "Each day {name} {does} {b} {things}, for {a} days.",
    ),
    questions=(
        "How many {things} is that?", "How many {things} are there in all?", "How many {things} is that in total?", "What is the total?",
        "How many is that altogether?", "How many together?",
    ),
    unseen="In {a} days, at {b} {things} a day, how many {things} does {name} collect?",
)

TIMES = Wordings(
    whole=(
        "{other} has {b} {things}. {name} has {a} times as many. How many {things} does {name} have?",
        "{name} has {a} times as many {things} as {other}. {other} has {b}. How many does {name} have?",
        "{other} has {b} {things} and {name} has {a} times as many. How many {things} has {name} got?",
        "{name} has {a} times as many {things} as {other}, who has {b}. How many is that?",
        "If {other} has {b} {things} and {name} has {a} times as many, how many does {name} have?",
        "What is {a} times {b} {things}?",
    ),
    facts=(
        "{other} {does} {b} {things}. {name} {does} {a} times as many.",
        "{other} {does} {b} {things} and {name} {does} {a} times as many.",
        "{other} {does} {b} {things}; {name} {does} {a} times as many.",
        "{other} {does} {b} {things}, {name} {a} times as many.",
        "{other} {does} {b} {things}. {name} {does} {a} times that number.",
        "{other} {does} {b} {things}; {name} {does} {a} times as much.",
        "{name} {does} {a} times as many {things} as {other}. {other} {does} {b}.",
        "{name} {does} {a} times the {things} of {other}, who {does} {b}.",
    ),
    questions=(
        "How many {things} does {name} {do}?", "How many does {name} {do}?", "How many {things} is that?", "How many {things} for {name}?",
        "What is the number of {name}?", "How many {things} are with {name}?",
    ),
    unseen="{other} owns {b} {things}; {name} owns {a} times that. How many {things} does {name} own?",
)
