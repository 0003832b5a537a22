"""Arguments as flags: the library's `start=` is --from on the command line.

Messages of the library name Python arguments: "give another out=". On the command line each name is
replaced by its flag, with this one table.
"""

from __future__ import annotations

import re
import shlex

# argument -> flag, where the names differ
RENAMED = {
    "absent": "--not",
    "all_labels": "--all",
    "label_columns": "--label-column",
    "source": "--from",
    "start": "--from",
    "replace": "--overwrite",
    "top_k": "--topk",
}
# arguments whose flag is their own name
SAME = (
    "answers",
    "anyway",
    "at_least",
    "at_most",
    "backbone",
    "bare",
    "branch",
    "budget",
    "calibration",
    "card",
    "cert",
    "client_threshold",
    "checkpoint_minutes",
    "cluster",
    "config",
    "data_licence",
    "data_names",
    "delimiter",
    "device",
    "dry_run",
    "ema",
    "embedding",
    "engine",
    "epochs",
    "force",
    "format",
    "graph",
    "grow",
    "group_by",
    "fields",
    "group_column",
    "head",
    "image_column",
    "image_format",
    "images",
    "int8",
    "keep_checkpoints",
    "keep_support",
    "keep_thumbnails",
    "key",
    "known",
    "known_by",
    "known_from",
    "label",
    "label_names",
    "label_masking",
    "label_studio",
    "label_studio_files",
    "label_studio_token_file",
    "label_studio_url",
    "label_table",
    "licence",
    "latency",
    "layout",
    "log",
    "maps",
    "max_drop",
    "max_size",
    "minus_one",
    "no_label",
    "nodes",
    "no_token",
    "out",
    "overwrite",
    "page",
    "present_above",
    "preset",
    "processes_per_node",
    "protocol",
    "quality",
    "reader",
    "refit",
    "resume",
    "reveal",
    "root_path",
    "seed",
    "settle",
    "shard",
    "sheet",
    "sidecar_name",
    "size",
    "split",
    "split_column",
    "threshold",
    "top",
    "token_file",
    "unknown_as",
    "variant",
    "watch",
    "weights",
    "words",
    "share",
    "xmp",
)
FLAGS = {name: "--" + name.replace("_", "-") for name in SAME} | RENAMED
OFF = {"keep_support": "--no-support"}  # where the flag that turns it off is named otherwise
QUOTES = "'\""
# a setting of a group has no flag of its own: head_options.threshold=0.2
GROUPED = re.compile(r"(?<![\w./=-])(?:options\.(?=lam))?((?:[a-z]\w*\.)+[a-z]\w*|lam)=(?=\S)")
ARGUMENT = re.compile(
    r"(?<![\w./=:-])("
    + "|".join(FLAGS)
    + r")=(True\b|\['[^\]]*\]|'[^']*'|\"[^\"]*\"|[\w.*][^\s,;:)]*)?"
)


def in_flags(message: str) -> str:
    """Return a message of the library with its arguments as flags.

    >>> in_flags("give another out=, or replace=True to replace a run")
    'give another --out, or --overwrite to replace a run'
    >>> in_flags("to keep the split of old, refit=False")
    'to keep the split of old, --no-refit'
    >>> in_flags("device='cuda:7': give device='auto'")
    '--device cuda:7: give --device auto'
    >>> in_flags("a lower threshold gives more (head_options.threshold=0.2)")
    'a lower threshold gives more (--set head_options.threshold=0.2)'
    >>> in_flags("iml_gcn:graph=identity is an entry of a comparison")
    'iml_gcn:graph=identity is an entry of a comparison'
    """
    return ARGUMENT.sub(_flag, GROUPED.sub(r"--set \1=", message))


def _flag(found: re.Match[str]) -> str:
    name, value = found[1], found[2]
    if value in (None, "True"):
        return FLAGS[name]
    if value == "False":
        return OFF.get(name, f"--no-{FLAGS[name].removeprefix('--')}")
    values = re.findall(r"'([^']*)'", value) if value.startswith("[") else [value.strip(QUOTES)]
    return " ".join(f"{FLAGS[name]} {shlex.quote(one)}" for one in values)
