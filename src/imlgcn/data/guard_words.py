"""Words that are rarely labels: "none" where an image has no label, and columns about the image."""

from __future__ import annotations

import re
from collections.abc import Iterator

from imlgcn.data.formats.column_names import PROPERTIES
from imlgcn.data.guard_seen import Names
from imlgcn.data.problems import Problem, problem

NO_LABEL = {
    *("nan", "none", "null", "nil", "na", "n/a", "n.a.", "<na>", "#n/a", "undefined", "-", "--"),
    *("nofinding", "nofindings", "nolabel", "nolabels", "notag", "notags", "noclass", "noclasses"),
    *("noobject", "noobjects", "nothing", "empty", "notapplicable", "noneoftheabove"),
    *("noneofthese", "[]", "{}", "''", '""'),
}
ZERO = {"0", "0.0", "-1", "false"}  # among names of words
NOT_LABELLED = {
    *("unknown", "unlabeled", "unlabelled", "untagged", "notlabeled", "notlabelled", "todo", "tbd"),
    *("?", "??", "missing", "unsure", "dontknow", "don'tknow", "notsure", "skip", "skipped"),
}
METADATA = PROPERTIES | {
    *("isval", "valid", "split", "set", "subset", "partition", "usage", "confidence", "score"),
    *("age", "patientage", "id", "imageid", "imageindex", "patientid", "patient", "subject"),
    *("width", "height", "size", "filesize", "channels", "annotator", "worker", "weight"),
    *("difficult", "occluded", "truncated", "duplicate", "isduplicate", "unnamed:0", "url", "view"),
    *("year", "month", "day", "date", "hour", "latitude", "longitude", "lat", "lon"),
    *("frontal/lateral", "ap/pa", "viewposition", "followup#"),
}
SPLIT_COLUMNS = {"train", "training", "val", "valid", "validation", "test", "testing"}

# folders as systems and people call them before they think of a name; and those of splits
MADE_FOLDER = re.compile(
    r"(new folder|untitled folder|neuer ordner|nouveau dossier|nueva carpeta|nuova cartella"
    r"|nova pasta|nieuwe map|новая папка|新しいフォルダー?|新建文件夹|te?mp|temp(orary)?|copy|kopie"
    r"|(train|training|val|valid|validation|test|testing)[\W_]*(set|data|images|photos)?)"
    r"[\W_]*\d*[\W_]*",
    re.IGNORECASE,
)
THE_REST = {
    *("misc", "miscellaneous", "other", "others", "various", "rest", "mixed", "etc", "stuff"),
    *("sonstiges", "sonstige", "verschiedenes", "diverses", "divers", "autre", "autres", "andere"),
    *("otros", "otro", "varios", "altro", "varie", "overig", "その他", "其他"),
}


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold() or name


def no_label_words(names: Names) -> Iterator[Problem]:
    """Yield names that may mean that an image has no label; whether they do, the owner knows."""
    plain = {name: _plain(name) for name in names.names}
    numbers = sum(bool(re.fullmatch(r"[-\d.]+", word)) for word in plain.values())
    none = NO_LABEL | ZERO if 2 * numbers < len(plain) else NO_LABEL
    found = [name for name, word in plain.items() if word in none]
    options = " ".join(f"no_label={name!r}" for name in found)
    yield from problem(
        "error",
        "no_label_as_label",
        f"[label|labels] may mean that an image has no label: {options} reads [it|them] so",
        found,
    )
    open_ones = [name for name, word in plain.items() if word in NOT_LABELLED]
    options = " ".join(f"no_label={name!r}" for name in open_ones)
    yield from problem(
        "error",
        "not_labelled_as_label",
        "[label|labels] may mean that nobody has labelled an image: leave such images out, or "
        f"write ? for [it|them]; {options} reads [it|them] as no label",
        open_ones,
    )


def metadata(names: Names) -> Iterator[Problem]:
    """Yield columns that say something about the image, not what it shows."""
    if not names.columns:
        return
    plain = {name: _plain(name) for name in names.names}
    found = [name for name, word in plain.items() if word in METADATA]
    splits = [name for name, word in plain.items() if word in SPLIT_COLUMNS]
    found += [name for name in splits if len(splits) > 1 and name not in found]
    options = " ".join(f"fields={name!r}" for name in found)
    yield from problem(
        "error",
        "metadata_as_labels",
        f"[column was taken for a label and looks|columns were taken for labels and look] like "
        f"something else: {options} leaves [it|them] aside",
        found,
    )


def holding_folders(names: Names) -> Iterator[Problem]:
    """Yield folders that were taken for labels and are called as if they held what is left."""
    if not names.folders:
        return
    made = [name for name in names.names if MADE_FOLDER.fullmatch(name.strip())]
    options = " ".join(f"no_label={name!r}" for name in made)
    yield from problem(
        "error",
        "folder_as_label",
        "[folder was taken for a label and is|folders were taken for labels and are] called like "
        "no label: move [its|their] images into folders of labels, or elsewhere; if they show none "
        f"of the labels, {options}",
        made,
    )
    rest = [name for name in names.names if _plain(name) in THE_REST]
    yield from problem(
        "warning",
        "rest_as_label",
        "[folder of what is left is a label|folders of what is left are labels], which nothing in "
        "an image shows; if that is not meant, move [it|them] elsewhere",
        rest,
    )
