"""The output of commands: tables for people, on standard output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from imlgcn.cli.flags import in_flags
from imlgcn.cli.show_choice import SHOWN, tried
from imlgcn.cli.show_many import MOST_NAMES, frequent, say_rest
from imlgcn.metrics.verdict import NEEDED, Verdict, verdict_of
from imlgcn.numbers import first_of, number, percent, plural, signed

if TYPE_CHECKING:
    from imlgcn.data.check import CheckReport
    from imlgcn.data.split import SplitTable
    from imlgcn.labels.context import LabelContext
    from imlgcn.labels.graph import Edge
    from imlgcn.labels.parents import ProposedParent
    from imlgcn.tagger import Tag, Tagger

FEW_IMAGES = 100  # below, a single image moves mAP by points
PAPER_TERMS = {
    "ACC": "images with all labels correct (ACC)",
    "HA": "entries correct (HA)",
    "ebF1": "F1 per image (ebF1)",
}


def metrics(found: dict[str, Any]) -> None:
    """Print the main metrics, those of the control, and the difference with its interval."""
    if "paper" in found:
        return _published(found)
    console = Console(highlight=False)
    control = found.get("control")
    tried(found.get("tried") or [])
    console.print(_evaluated(found), style="bold")
    table = Table()
    table.add_column("percent")
    table.add_column(found.get("head", "tagger"), justify="right")
    if control:
        table.add_column(f"control: {control['head']}", justify="right")
    for name, key in ((f"mAP (protocol {found['protocol']})", "mAP"), *SHOWN[1:]):
        columns = [found, control] if control else [found]
        table.add_row(name, *(_with_interval(column, key) for column in columns))
    console.print(table)
    if verdict := verdict_of(found):
        difference = found["difference_to_control"]
        low, high = difference["low"], difference["high"]
        console.print(
            f"Difference to the control: {signed(difference['mAP'])} mAP, 95 % interval "
            f"{signed(low)} to {signed(high)}: {verdict}"
            f"{f'; {NEEDED}' if verdict == Verdict.FEW else ''}."
        )
    _warnings(console, found)


def _with_interval(found: dict[str, Any], key: str) -> str:
    low, high = (found.get("intervals") or {}).get(key, (None, None))
    value = number(found[key])
    return value if low is None else f"{value} ({number(low)} to {number(high)})"


def _published(found: dict[str, Any]) -> None:
    """Print the metrics of a paper's protocol, its name over every column."""
    console = Console(highlight=False)
    protocol, others = found["protocol"], found["without_empty_labels"]
    console.print(_evaluated(found), style="bold")
    table = Table()
    columns = {protocol: found}
    if found["top3"]:
        columns[f"{protocol}, top 3"] = found["top3"]
    if others:
        columns[f"{protocol}, without empty labels"] = others
    table.add_column("percent")
    for name in columns:
        table.add_column(name, justify="right")
    for key in ("mAP", "CP", "CR", "CF1", "OP", "OR", "OF1", "ACC", "HA", "ebF1"):
        if key in found:
            table.add_row(
                PAPER_TERMS.get(key, key),
                *("" if key not in column else number(column[key]) for column in columns.values()),
            )
    console.print(table)
    for line in _paper_notes(found):
        console.print(line, markup=False)
    _warnings(console, found)


def _paper_notes(found: dict[str, Any]) -> list[str]:
    notes = [
        f"As in {found['paper']}: uncalibrated scores, {found['threshold']}. See docs/protocols.md."
    ]
    if not found["f1_in_code"]:
        notes.append("Its code computes mAP only: the others are the plain definitions at 0.5.")
    notes += [f"Undefined: {sentence}." for sentence in found["undefined"]]
    if empty := found["empty_labels"]:
        notes.append(f"No positive image: {first_of(empty, MOST_NAMES)}")
    if unknown := found["not_judged"]:
        notes.append(f"Left out, unknown in the data: {', '.join(unknown)}")
    return notes


def _evaluated(found: dict[str, Any]) -> str:
    return (
        f"{found['split']} split, {plural(found['num_images'], 'image')}, protocol "
        f"{found['protocol']}"
    )


def _warnings(console: Console, found: dict[str, Any]) -> None:
    if "learnt_images" in found:
        console.print(_learnt(found))
    if found["num_images"] < FEW_IMAGES:
        console.print(f"Only {plural(found['num_images'], 'image')}: these metrics are uncertain.")
    if ignored := found.get("ignored_labels"):
        console.print(
            f"Ignored, unknown to the tagger: {plural(len(ignored), 'label')} of the data."
        )
    if left_out := found.get("left_out"):
        console.print(f"Left out of mAP, no positive image: {first_of(left_out, MOST_NAMES)}")
    if failed := found.get("failed_images"):
        console.print(
            f"Could not be read: {plural(len(failed), 'image')}, {', '.join(list(failed)[:3])}"
        )


def _learnt(found: dict[str, Any]) -> str:
    """Say how many of the evaluated images the tagger has learnt."""
    learnt, out_of = found["learnt_images"], found["num_images"]
    if learnt is None:
        return "Not known: whether the tagger has learnt some of these images."
    return f"In the tagger's training data: {number(learnt, 0)} of {plural(out_of, 'image')}."


def examples(rows: Sequence[tuple[str, list[str], list[Tag]]]) -> None:
    """Print images with their true tags and the tags found; wrong tags are yellow."""
    table = Table(
        title="Test images with two labels or more, evenly spaced",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("image", overflow="fold", max_width=44)
    table.add_column("true tags")
    table.add_column("found, with probability")
    for name, truth, tags in rows:
        found = Text(", ").join(
            Text(
                f"{tag.label} {percent(tag.probability)}",
                style="green" if tag.label in truth else "yellow",
            )
            for tag in tags
        )
        table.add_row(Path(name).name, ", ".join(truth), found if tags else Text("none"))
    Console(highlight=False).print(table)


def next_steps(folder: Path, *, own_data: bool = False) -> None:
    """Print where the results are and the next commands."""
    from imlgcn.tagger.folder import METRICS, REPORT

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"Tagger:  {folder}")
    console.print(f"Metrics: {folder / METRICS}")
    console.print(f"Report:  {folder / REPORT}")
    console.print("Next, tag your own images:")
    console.print(f"  imlgcn predict {folder} PATH/TO/IMAGES --out tags.csv")
    if own_data:
        return
    console.print("or train on your own (a CSV with the columns image and labels):")
    console.print("  imlgcn check images.csv && imlgcn train images.csv --out runs/mine")


def parameters(head: str, backbone: str, labels: int, counts: dict[str, int]) -> None:
    """Print a parameter count."""
    console = Console(highlight=False)
    console.print(f"{head} on {backbone}, {plural(labels, 'label')}")
    for name, count in counts.items():
        known = ("backbone", "head", "total")
        note = "" if name in known else f"  the data decide it; --{name} N counts with another"
        if name == "deployed":
            note = "  with batch norms in their convolutions"
        console.print(f"  {name:<9}{number(count, 0):>13}{note}")


def check(report: CheckReport) -> None:
    """Print label counts, then every problem, worst first."""
    console = Console(highlight=False)
    splits = list(report.splits)
    table = Table(title="Labels", title_justify="left", title_style="bold")
    table.add_column("label")
    for name in ("images", *splits, "unknown"):
        table.add_column(name, justify="right")
    shown = frequent(report.labels, [label.present for label in report.labels])
    for label in shown:
        counts = [label.by_split.get(name, 0) for name in splits]
        table.add_row(
            Text(label.name),
            *(number(count, 0) for count in (label.present, *counts, label.unknown)),
        )
    console.print(table)
    say_rest(console, len(report.labels) - len(shown))
    if report.published:
        console.print(Text(f"{report.published}."), soft_wrap=True)
    for problem in report.problems:
        style = {"error": "bold red", "warning": "yellow", "note": "dim"}[problem.level]
        line = Text(f"{problem.level}: ", style=style)
        console.print(line + Text(in_flags(problem.message), style="default"))
        for example in problem.examples[: problem.shown]:
            console.print(Text(f"    {example}", style="dim"), soft_wrap=True)
    if report.harmful:
        console.print("Not ready to train: fix the errors first.")
    else:
        count = sum(problem.level == "warning" for problem in report.problems)
        warnings = plural(count, "warning")
        console.print(f"Ready to train{f'; {warnings}' if count else ''}.")


def proposed_parents(found: Sequence[ProposedParent]) -> None:
    """Print the labels that may be above others."""
    console = Console(highlight=False)
    if not found:
        from imlgcn.labels.parents import MIN_IMAGES

        console.print(
            f"No parents to propose: no label is on nearly all images of another one that has "
            f"{MIN_IMAGES} images or more.",
            soft_wrap=True,
        )
        return
    title = "Proposed parents"
    table = Table("label", "parent", title=title, title_justify="left", title_style="bold")
    for name in ("has it", "of its images"):
        table.add_column(name, justify="right")
    table.add_column("because of")
    for pair in found:
        why = "levels" if pair.in_levels else "images"
        cells = (percent(pair.probability, 1), number(pair.images, 0), why)
        table.add_row(Text(pair.child), Text(pair.parent), *cells)
    console.print(table)


def split(table: SplitTable) -> None:
    """Print the wanted and actual size of each split, of images and of every label."""
    console = Console(highlight=False)
    splits = list(table.images.got)
    title = f"Got (wanted); {plural(table.num_groups, 'group')} by {table.grouped_by}"
    sheet = Table(title=title, title_justify="left", title_style="bold")
    sheet.add_column("")
    for split in splits:
        sheet.add_column(split, justify="right")
    rows = frequent(table.labels, [sum(row.got.values()) for row in table.labels])
    for row in (table.images, *rows):
        cells = [f"{number(row.got[split], 0)} ({number(row.wanted[split])})" for split in splits]
        sheet.add_row(Text(row.name), *cells, end_section=row is table.images)
    console.print(sheet)
    say_rest(console, len(table.labels) - len(rows))


def graph(
    context: LabelContext,
    rules: Sequence[Edge],
    num_edges: int,
    isolated: Sequence[str],
    threshold: float,
) -> None:
    """Print a label graph in words."""
    console = Console(highlight=False, soft_wrap=True)
    L = context.num_labels
    console.print(
        f"{plural(L, 'label')} in {plural(context.num_images, 'image')}; "
        f"{plural(num_edges, 'edge')} with P(j|i) >= {threshold}"
    )
    if num_edges < L:
        console.print(
            f"Fewer edges than labels: little for a graph head to use. A --threshold below "
            f"{threshold} gives more."
        )
    console.print("Strongest rules:")
    for rule in rules:
        console.print(Text(f"  {rule}"))
    if isolated:
        console.print(Text(f"Isolated ({len(isolated)}): {first_of(isolated, MOST_NAMES)}"))


def imported(tagger: Tagger) -> None:
    """Print the threshold of an imported checkpoint and the next commands."""
    console = Console(highlight=False)
    threshold = tagger.thresholds[0]
    console.print(
        f"Tags are labels with a sigmoid of {threshold:g} or more, as published: nothing is "
        "calibrated here."
    )
    console.print(f"Tag images: imlgcn predict {tagger.path} photos/ --out tags.csv")
    console.print(f"Score it:   imlgcn evaluate {tagger.path} DATA")
