"""Written arithmetic: every operation is spelled out digit by digit, in the order of pen and paper.

A tiny network cannot add three-digit numbers in one step, but it can look up one column at a time. The columns
make the thinking long enough to be worth cutting and simple enough to be read.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One operation on two non-negative numbers; `symbol` is one of + - *."""

    left: int
    symbol: str
    right: int

    @property
    def value(self) -> int:
        if self.symbol == "+":
            return self.left + self.right
        return self.left - self.right if self.symbol == "-" else self.left * self.right


def spell(step: Step) -> list[str]:
    """The lines for one operation: its head, its columns from the right, its result."""
    head = f"{step.left}{step.symbol}{step.right}:"
    if step.symbol == "-" and step.left < step.right:
        return [head, f"{step.left}<{step.right}", *spell(Step(step.right, "-", step.left)), f"so {step.value}"]
    return [head, *_columns(step), f"so {step.value}"]


def _columns(step: Step) -> list[str]:
    if step.symbol == "*":
        return _product_columns(step.left, step.right)
    width = max(len(str(step.left)), len(str(step.right)))
    upper, lower = str(step.left).zfill(width)[::-1], str(step.right).zfill(width)[::-1]
    lines, carry = [], 0
    for a, b in zip(map(int, upper), map(int, lower), strict=True):
        suffix = f"{step.symbol}1" if carry else ""
        if step.symbol == "+":
            total = a + b + carry
            lines.append(f"{a}+{b}{suffix}={total}")
            carry = total // 10
        else:
            lifted = a + 10 if a - b - carry < 0 else a
            lines.append(f"{lifted}-{b}{suffix}={lifted - b - carry}")
            carry = 1 if lifted != a else 0
    return lines


def _product_columns(factor: int, number: int) -> list[str]:
    lines, carry = [], 0
    for digit in map(int, reversed(str(number))):
        total = factor * digit
        lines.append(f"{factor}*{digit}={total}")
        if carry:
            lines.append(f"{total}+{carry}={total + carry}")
        carry = (total + carry) // 10
    return lines


def think(expression: str, steps: list[Step]) -> str:
    """The plan first, then the steps: a cut after the plan still leaves something to answer from."""
    lines = [f"Plan: {expression}"]
    for step in steps:
        lines.extend(spell(step))
    return "\n".join(lines)


def chain(start: int, terms: list[tuple[str, int]]) -> tuple[str, list[Step]]:
    """A left-to-right chain of sums and differences as its expression and its steps."""
    expression, steps, value = str(start), [], start
    for symbol, number in terms:
        expression += f"{symbol}{number}"
        steps.append(Step(value, symbol, number))
        value = steps[-1].value
    return expression, steps


def state(value: int | str) -> str:
    return f"The answer is {value}."
