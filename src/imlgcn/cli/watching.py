"""What `predict --watch` does with the options of the command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from imlgcn.cli.predicted import refuse_to_overwrite
from imlgcn.errors import InputError
from imlgcn.progress import Progress

# of one run over a list of images that is known
NOT_WHILE_WATCHING = ("known_from", "latency", "cluster", "resume", "shard", "label_studio")
OPTIONS = (
    *("out", "overwrite", "bare", "threshold", "top_k", "at_least", "at_most", "known_by"),
    *("all_labels", "label_table", "engine", "device", "xmp", "sidecar_name"),
)


def watch_folders(
    given: Mapping[str, Any], known: Mapping[str, int] | None, progress: Progress
) -> NoReturn:
    """Watch the folders that the command was given; options that cannot be used are refused."""
    from imlgcn.prediction.watch import watch

    if others := [name for name in NOT_WHILE_WATCHING if given[name]]:
        raise InputError(f"{others[0]}= cannot be used with watch=True")
    if given["engine"] == "auto":
        raise InputError("engine='auto' cannot be used with watch=True: name one, or leave it out")
    refuse_to_overwrite(given["out"])
    options = {name: given[name] for name in OPTIONS}
    if given["settle"] is not None:
        options["settle"] = given["settle"]
    watch(given["tagger"], given["paths"], known=known, progress=progress, **options)
