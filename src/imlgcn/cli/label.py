"""The commands of `imlgcn label`: labels of a finished tagger added, changed and taken back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperCommand

from imlgcn.cli.options import Json, OwnTagger, terminal
from imlgcn.errors import InputError
from imlgcn.numbers import plural

if TYPE_CHECKING:
    from imlgcn.growing import Added, NewLabel

SEVERAL = "--not"  # an option that takes all values up to the next option
QUESTIONS = "questions.csv"


class TakesSeveral(TyperCommand):
    """A command whose ``--not a.jpg b.jpg`` takes both: a shell expands ``--not no/*.jpg`` so."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Write the option before each of its values."""
        spread: list[str] = []
        inside = False
        for word in args:
            if word == SEVERAL:
                inside = True
            elif inside and not word.startswith("-"):
                spread += [SEVERAL, word]
            else:
                inside = False
                spread.append(word)
        return super().make_context(info_name, spread, parent, **extra)


def register(app: typer.Typer) -> None:
    """Add the commands of this module, as one group."""
    group = typer.Typer(
        name="label",
        help="Add, remove, rename, merge labels of a tagger, and undo.",
        no_args_is_help=True,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    group.command(cls=TakesSeveral)(add)
    for command in (remove, rename, merge, undo):
        group.command()(command)
    app.add_typer(group, rich_help_panel="Grow it")


def add(
    tagger: OwnTagger,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The new label (not with --csv).")
    ] = None,
    images: Annotated[
        list[str] | None,
        typer.Argument(metavar="IMAGES...", help="Files or folders of images that show it."),
    ] = None,
    absent: Annotated[
        list[str] | None,
        typer.Option(
            SEVERAL, metavar="IMAGES...", help="Images that do not show it (default: none)."
        ),
    ] = None,
    csv: Annotated[
        str | None,
        typer.Option(
            metavar="DATA", help="Many labels at once: data as for train (default: one label)."
        ),
    ] = None,
    ask: Annotated[
        int,
        typer.Option(
            metavar="N", help="Write the N training images of a label that would help most."
        ),
    ] = 0,
    questions: Annotated[
        Path, typer.Option(metavar="FILE", help="Where --ask writes them.")
    ] = Path(QUESTIONS),
    answers: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="That table, answered yes or no (default: none)."),
    ] = None,
    share: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="How frequent the label is, such as 0.02 (default: as the tagger's median label).",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Teach a tagger a label from a few images.

    It takes seconds, and the scores of all other labels stay as they are. Five
    images give a start, twenty are better; images that do not show the label,
    and answers about the training images that look like it, help too. `imlgcn
    label undo` takes it back.

    Example: imlgcn label add runs/photos lighthouse lighthouses/ --not towers/
    """
    from imlgcn.growing import add_labels, read_answers, read_new_labels, write_questions

    if ask < 0:
        raise InputError(f"--ask takes a number of images, 0 or more; got {ask}")
    if csv is None:
        told = {} if answers is None else read_answers(answers)
        labels, known = [_one(name, images, absent, told)], None
    elif name or absent or answers:
        raise InputError("--csv names the labels itself; leave NAME, --not and --answers out")
    else:
        labels, known = read_new_labels(tagger, csv)
    _, found = add_labels(tagger, labels, known=known, share=share, progress=terminal())
    rows = write_questions(questions, found, ask) if ask else 0
    if json:
        typer.echo(_to_json(found))
    else:
        _show(tagger, found, questions, rows)


def _show(tagger: Path, found: list[Added], questions: Path, rows: int) -> None:
    """Print what to expect of each label, and how to go on with the questions."""
    from imlgcn.growing import sentence

    console = Console(highlight=False, soft_wrap=True)
    for one in found[:20]:
        console.print(f"{one.name}: {sentence(one)}", markup=False)
    if len(found) > 20:
        console.print(f"and {plural(len(found) - 20, 'more label')}")
    if rows:
        again = f"imlgcn label add {tagger} {found[0].name} --answers {questions}"
        console.print(f"{plural(rows, 'question')} in {questions}; then {again}", markup=False)


def remove(
    tagger: OwnTagger,
    labels: Annotated[list[str], typer.Argument(metavar="LABELS...", help="What to remove.")],
) -> None:
    """Take labels out of a tagger.

    Example: imlgcn label remove runs/photos blurry
    """
    from imlgcn.growing import remove_labels

    left = remove_labels(tagger, labels, progress=terminal())
    typer.echo(f"removed {', '.join(labels)}; {plural(len(left.labels), 'label')} left")


def rename(
    tagger: OwnTagger,
    old: Annotated[str, typer.Argument(metavar="OLD", help="Its name now.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.")],
) -> None:
    """Give a label another name.

    Example: imlgcn label rename runs/photos ppl people
    """
    from imlgcn.growing import rename_label

    rename_label(tagger, old, new, progress=terminal())
    typer.echo(f"{old} is now {new}")


def merge(
    tagger: OwnTagger,
    labels: Annotated[
        list[str], typer.Argument(metavar="LABELS...", help="Two or more labels that mean one.")
    ],
    into: Annotated[str, typer.Option(metavar="NAME", help="The name of the one.")],
) -> None:
    """Make one label of several.

    It is given where one of them would be, and is calibrated anew.

    Example: imlgcn label merge runs/photos car automobile --into car
    """
    from imlgcn.growing import merge_labels

    merged = merge_labels(tagger, labels, into, progress=terminal())
    typer.echo(f"{', '.join(labels)} are now {into}; {plural(len(merged.labels), 'label')} left")


def undo(
    tagger: OwnTagger,
    list_: Annotated[
        bool, typer.Option("--list", help="Only list the changes, the earliest first.")
    ] = False,
) -> None:
    """Take the last change of labels back.

    Example: imlgcn label undo runs/photos
    """
    from imlgcn.growing import changes
    from imlgcn.growing import undo as take_back

    if not list_:
        typer.echo(f"taken back: {take_back(tagger).what}")
        return
    for change in changes(tagger):
        typer.echo(f"{change.number}  {change.when}  {change.what}")


def _one(
    name: str | None,
    images: list[str] | None,
    absent: list[str] | None,
    told: dict[str, dict[str, int]],
) -> NewLabel:
    from imlgcn.growing import NewLabel
    from imlgcn.prediction.paths import expand_paths

    if name is None:
        raise InputError("give the NAME of the new label and images of it, or --csv DATA")
    shown, other = (
        tuple(Path(path) for path in expand_paths(given)) if given else ()
        for given in (images, absent)
    )
    return NewLabel(name, shown, other, told.get(name, {}))


def _to_json(found: list[Added]) -> str:
    import json

    rows: list[dict[str, Any]] = [
        {
            "label": one.name,
            "images": one.images,
            "expected_AP": one.expectation.AP,
            "trials": one.expectation.trials,
            "more": one.expectation.more,
            "threshold": one.expectation.threshold,
            "share": one.share,
            "probe_only": one.probe_only,
            "doubtful": list(one.doubtful),
        }
        for one in found
    ]
    return json.dumps(rows, indent=1, ensure_ascii=False)
