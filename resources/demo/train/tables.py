"""How figures are printed: Markdown tables, and shares with their intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable


def wilson(right: int, count: int) -> str:
    """`97.3 (95.2-98.5)`: a share in per cent with its 95 % interval."""
    z = 1.959964
    share = right / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return f"{100 * share:.1f} ({100 * max(0.0, centre - half):.1f}-{100 * min(1.0, centre + half):.1f})"


def table(head: list[str], rows: Iterable[list[str]]) -> None:
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)
    print()
