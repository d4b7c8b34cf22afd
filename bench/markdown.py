"""Tables for documents."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def show_markdown(
    title: str, names: Sequence[str], figures: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """Print a Markdown table.

    Args:
        title: stands above the table.
        names: headers of the first columns, to the left.
        figures: headers of the others, to the right.
        rows: cells, as many in each row as there are headers.
    """
    rules = ["---"] * len(names) + ["--:"] * len(figures)
    print(f"\n{title}:\n")
    for cells in ([*names, *figures], rules, *rows):
        print(f"| {' | '.join(cells)} |")
    sys.stdout.flush()
