"""What the page of a head takes from the code: paper, formula, counts and the table of options."""

from __future__ import annotations

import csv
import inspect
import re
from pathlib import Path

import torch
from docstrings import to_markdown

from imlgcn.activation_maps import MEANING
from imlgcn.labels.context import LabelContext
from imlgcn.models.counting import count_system
from imlgcn.models.heads import HEADS, create_head, head_options
from imlgcn.numbers import number, signed
from imlgcn.official.systems import SYSTEMS

LINK = re.compile(r"(https://[^\s,;]+?)(?=[.,;]?(?:\s|$))")
RESULTS = Path(__file__).resolve().parents[2] / "benchmarks/results"
# folder of a comparison -> its title; a head is looked up in the first that has it
COMPARED = {"compare-vectors": "Heads on vectors", "compare": "Heads on maps"}
HERE = ("efficientnet_lite0", 38)  # Open Clip Art
COCO = ("resnet101", 80)


def reference(name: str) -> str:
    """Return the facts on a head as Markdown: paper, formula, maps, options, counts, scores."""
    head = HEADS[name]
    source = to_markdown(inspect.getdoc(inspect.getmodule(head)) or "")
    title, _, paper = source.partition("\n\n")
    parts = [
        "## Paper",
        " ".join(title.split()),
        LINK.sub(r"<\1>", paper),
        "## Formula",
        to_markdown(inspect.getdoc(head) or ""),
        "## Maps",
        maps_sentence(name),
        "## Options",
        options_table(name),
        training_sentence(name),
        "## Parameters",
        counts_table(name),
        "## Measured here",
        measured(name),
    ]
    return "\n\n".join(part for part in parts if part)


def maps_sentence(name: str) -> str:
    """Return what the maps of a head are, on its default options."""
    with torch.device("meta"):
        labels = LabelContext.placeholder(3, words=3, image=3, image_pca=3)
        head = create_head(name, 8, labels)
    if head.map_kind is None:
        return "None: no position carries the decision."
    explained = to_markdown(inspect.getdoc(type(head).map_kind) or "")
    return f"{explained} A map says {MEANING[head.map_kind]}."


def measured(name: str) -> str:
    """Return the head's row of the comparison on the embedded data."""
    row, folder = None, ""
    for folder in COMPARED:
        with (RESULTS / folder / "compare.csv").open(newline="", encoding="utf-8") as file:
            row = next((row for row in csv.DictReader(file) if row["entry"] == name), None)
        if row is not None:
            break
    page = f"[{COMPARED[folder]}](../../benchmarks/results/{folder}/compare.md)"
    if row is None:
        return f"Not measured yet beside the others in {page}."
    text = (
        f"{number(float(row['mAP']))} ± {number(float(row['mAP_std']))} mAP (protocol `default`) "
        "on the embedded clip art, frozen `efficientnet_lite0`, three seeds; the head trains in "
        f"{number(float(row['seconds']), 0)} s on features in the cache. "
    )
    if row["difference"]:
        low, high = float(row["low"]), float(row["high"])
        text += (
            f"Against the linear head {signed(float(row['difference']))} (95 % interval "
            f"{signed(low)} to {signed(high)}{', so not told apart' if low < 0 < high else ''}). "
        )
    return f"{text}Command, machine and the other heads: {page}."


def options_table(name: str) -> str:
    """Return a row for every option, with its value in both presets."""
    small, paper = head_options(name), head_options(name, "paper")
    rows = [
        f"| `{option}` | `{_short(small[option])}` | `{_short(paper[option])}` |"
        for option in small
    ]
    table = "\n".join(["| option | `small` | `paper` |", "|---|---|---|", *rows])
    first = next(iter(small))
    return (
        f"`--set head_options.{first}=...` sets one; the preset gives the rest "
        f"(`small` is chosen below 20,000 training images).\n\n{table}"
    )


def training_sentence(name: str) -> str:
    """Return how the head is trained on frozen features unless told otherwise."""
    values = HEADS[name].TRAINING.get("small")
    if not values:
        return ""
    said = ", ".join(f"`{key}` {value:g}" for key, value in values.items())
    return (
        f"On frozen features the preset `small` trains it with {said} "
        "(`--set head_training.epochs=...`)."
    )


def counts_table(name: str) -> str:
    """Return the parameters of the head here and, in the preset ``paper``, of the whole system."""
    trunk, labels = HERE
    lines = ["| counted for | head | folded | with backbone |", "|---|---|---|---|"]
    lines.append(_count(name, "small", trunk, labels, "the embedded data", {}))
    systems = [system for system in SYSTEMS if system.head == name]
    for system in systems:
        lines.append(_count(name, "paper", system.backbone, 80, system.name, system.options))
    if not systems:
        lines.append(_count(name, "paper", *COCO, "COCO", {}))
    published = [
        f"{system.name}: {system.published_params:g} M"
        + (f" ({system.note})" if system.note else "")
        for system in systems
        if system.published_params
    ]
    note = f"\n\nPublished: {'; '.join(published)}." if published else ""
    sizes = "".join(
        f" Counted with {option} = {value:,}, which the data decide (`--{option} N`)."
        for option, value in HEADS[name].counted_with.items()
    )
    command = f"`imlgcn params --head {name} --backbone resnet101 --labels 80` counts any other."
    return "\n".join(lines) + note + "\n\n" + command + sizes


def _count(
    name: str, preset: str, trunk: str, labels: int, what: str, options: dict[str, object]
) -> str:
    plain = count_system(name, trunk, labels, preset=preset, options=options)
    folded = count_system(name, trunk, labels, preset=preset, options=options, folded=True)
    cells = f"{plain['head']:,} | {folded['head']:,} | {plain['total']:,}"
    return f"| {what}: `{trunk}`, {labels} labels, `{preset}` | {cells} |"


def _short(value: object) -> str:
    """Return a value as YAML has it, which is how ``--set`` takes it.

    >>> _short(None), _short(True), _short((1, 99))
    ('null', 'true', '[1, 99]')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(list(value) if isinstance(value, tuple) else value)
