"""The output of training: what was tried, and the chosen head beside the others."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from imlgcn.numbers import MISSING, number, signed
from imlgcn.official.systems import POSTER

SHOWN = (
    ("mAP", "mAP"),
    ("F1 of all tags (OF1)", "OF1"),
    ("mean F1 of labels", "CF1_per_label"),
    ("calibration error (ECE)", "ECE"),
)


def tried(attempts: list[dict[str, Any]]) -> None:
    """Print the heads that were tried, best first; the chosen one is bold."""
    if not attempts:
        return
    from imlgcn.config import CONTROL

    table = Table(
        title="What was tried: mAP out of fold, the same folds for all",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("head")
    for name in ("mAP", f"to {CONTROL}", "95 % interval", "multiply-adds", "seconds"):
        table.add_column(name, justify="right")
    for row in attempts:
        own = row["head"] == CONTROL
        table.add_row(
            f"{row['head']}, chosen" if row["chosen"] else row["head"],
            number(row["mAP"]),
            MISSING if own else signed(row["difference"]),
            MISSING if own else f"{signed(row['low'])} to {signed(row['high'])}",
            number(row["multiply_adds"], 0),
            number(row["seconds"]),
            style="bold" if row["chosen"] else "",
        )
    Console(highlight=False).print(table)


def side_by_side(found: dict[str, Any]) -> None:
    """Print the head that was chosen, the poster's system and the control on the test images."""
    from imlgcn.config import CONTROL

    rows = {row["head"]: row for row in found.get("tried") or [] if row.get("test")}
    names = {found.get("head", ""): "chosen", POSTER: "the poster's system", CONTROL: "control"}
    shown = {name: what for name, what in reversed(names.items()) if name in rows}
    if len(shown) < 2:
        return
    table = Table(title="Side by side, test split", title_justify="left", title_style="bold")
    table.add_column("percent")
    for name, what in reversed(shown.items()):
        table.add_column(f"{name}\n{what}", justify="right")
    for title, key in (*SHOWN, ("log-loss per image, nats", "log_loss")):
        values = (rows[name]["test"][key] for name in reversed(shown))
        table.add_row(title, *(number(value, 2 if key == "log_loss" else 1) for value in values))
    Console(highlight=False).print(table)
