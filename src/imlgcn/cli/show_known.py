"""What known labels are worth, as a table for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from imlgcn.numbers import number, plural, signed

ROWS = (
    ("mAP of the labels not revealed", "mAP"),
    ("first further suggestion is right", "first_suggestion"),
    ("ECE", "ECE"),
)


def revealed(found: dict[str, Any]) -> None:
    """Print the numbers before and after, the gain with its interval, and the control."""
    console = Console(highlight=False)
    amount = found["reveal"]
    what = (
        f"{amount} of all values"
        if amount.endswith("%")
        else f"{plural(int(amount), 'true label')} of each image"
    )
    way = "the head itself" if found["by"] == "head" else "counts of label pairs"
    draws = plural(found["draws"], "draw")
    console.print(f"Known: {what}; used by {way}; mean of {draws}", style="bold")
    table = Table()
    table.add_column("percent")
    for column in ("head alone", "with known labels", "gain"):
        table.add_column(column, justify="right")
    for name, key in ROWS:
        before, after = found["before"][key], found["after"][key]
        gain = None if None in (before, after) else after - before
        table.add_row(name, number(before), number(after), signed(gain))
    console.print(table)
    for name, key in (
        ("Gain", "gain"),
        (f"Control, which {found['control']['what']}", "control_gain"),
    ):
        values = found[key]
        console.print(
            f"{name}: {signed(values['mAP'])} mAP, 95 % interval {signed(values['low'])} to "
            f"{signed(values['high'])}.",
            markup=False,
        )
