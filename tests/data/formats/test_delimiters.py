"""Labels of an image in one text: every way in which people and programs write several."""

import json

import numpy as np
import pytest

from imlgcn.data.formats.delimiters import split_cells
from imlgcn.errors import InputError

IMAGES = [
    ["boat", "open sea", "sun"],
    ["sand"],
    ["person", "sand", "sun"],
    ["palm tree", "person", "sand"],
    ["boat", "person"],
    ["open sea", "palm tree"],
    ["sun"],
    ["boat", "open sea"],
    ["sand", "sun"],
    ["open sea", "person", "sand", "sun"],
    ["boat"],
    ["palm tree"],
]
TREES = ("oak", "pine", "elm")


def quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name


WAYS = {
    "semicolon": ";".join,
    "semicolon at the end": lambda names: "; ".join(names) + ";",
    "comma": ", ".join,
    "bar": "|".join,
    "tab": "\t".join,
    "lines": "\n".join,
    "Windows' lines": "\r\n".join,
    "slash": "/".join,
    "hashes and commas": lambda names: ", ".join(f"#{name}" for name in names),
    "quotes": lambda names: ", ".join(f'"{name}"' for name in names),
    "quotes without commas": lambda names: " ".join(f"'{name}'" for name in names),
    "JSON": json.dumps,
    "Python list": str,
    "Python tuple": lambda names: str(tuple(names)),
    "Python set": lambda names: str(set(names)),
    "numpy": lambda names: str(np.array(names)),
    "numpy of objects": lambda names: repr(np.array(names, dtype=object)),
    "brackets": lambda names: f"[{', '.join(names)}]",
    "database": lambda names: f"{{{','.join(map(quoted, names))}}}",
    "database without quotes": lambda names: f"{{{','.join(names)}}}",
    "Label Studio": lambda names: json.dumps({"choices": names}) if names[1:] else names[0],
    "objects": lambda names: str([{"id": i, "name": name} for i, name in enumerate(names)]),
    "one JSON object": lambda names: json.dumps(dict.fromkeys(names, 1) | {"sky": 0}),
    "R": lambda names: f"c({json.dumps(names)[1:-1]})",
    "angles": lambda names: "".join(f"<{name}>" for name in names),
}


def labels_of(cells, **options):
    return [sorted(present) for present, _ in split_cells(cells, **options).rows]


@pytest.mark.parametrize("way", WAYS)
def test_labels_are_the_same_however_they_are_written(way):
    assert labels_of([WAYS[way](names) for names in IMAGES]) == IMAGES


@pytest.mark.parametrize("sign", [" ", "  ", " #"])
def test_words_that_recur_in_every_company_are_labels_between_spaces(sign):
    words = [[name.split()[-1] for name in names] for names in IMAGES]
    cells = ["#" * ("#" in sign) + sign.join(names) for names in words]
    assert labels_of(cells) == [sorted(names) for names in words]


@pytest.mark.parametrize(
    "cells",
    [
        ["palm tree", "open sea", "sea", "tree", "palm tree", "oak tree"],
        ["polar bear", "brown bear", "bear", "sea", "sea lion", "lion"],
        ["red shirt", "red hat", "blue shirt", "blue hat", "green hat", "green shirt"],
        ["oak", "oak leaf", "maple", "maple leaf", "leaf", "pine", "pine cone", "cone"],
        ["km/h", "m/s", "m", "s"],
        [f"{a} {b} {c}" for a in ("big", "tiny", "odd") for b in ("red", "blue") for c in "xyz"],
        ["oak", "pine", "elm", "leaf", "cone"]
        + [f"{t} {x}" for t in TREES for x in ("leaf", "cone")],
        ["boat and sea and sun", "boat and sun", "sea and sun", "boat", "sea", "sun"],
    ],
)
def test_names_of_several_words_stay_whole(cells):
    assert labels_of(cells) == [[cell] for cell in cells]


def test_what_was_read_rightly_is_read_as_before():
    found = split_cells(["sea; ?boat", "ball, tennis;dog", "?", "dog;?", ""])
    assert found.names == ["ball, tennis", "boat", "dog", "sea"]
    every = tuple(found.names)
    assert [(tuple(present), tuple(unknown)) for present, unknown in found.rows] == [
        (("sea",), ("boat",)),
        (("ball, tennis", "dog"), ()),
        ((), every),
        (("dog",), tuple(name for name in every if name != "dog")),
        ((), ()),
    ]
    assert found.how == "labels are separated by ';'"


def test_a_sign_inside_of_a_name_separates_nothing():
    assert labels_of(["girl, ;), smile", "girl, :|"]) == [[";)", "girl", "smile"], [":|", "girl"]]
    assert labels_of(["salt &amp; pepper, sun"]) == [["salt &amp; pepper", "sun"]]
    assert labels_of(["dog's, '70s"]) == [["'70s", "dog's"]]


@pytest.mark.parametrize(
    ("delimiter", "cell", "names"),
    [
        (", ", "open sea, palm tree", ["open sea", "palm tree"]),
        ("space", "open sea", ["open", "sea"]),
        (" ", "open sea", ["open", "sea"]),
        ("tab", "open sea\tsun", ["open sea", "sun"]),
        (r"\t", "open sea\tsun", ["open sea", "sun"]),
        ("comma", "sun, sea", ["sea", "sun"]),
        ("/", "fire engine/dog;house", ["dog;house", "fire engine"]),
        ("&&", "a & b && c", ["a & b", "c"]),
        (";,", "a;b,c", ["a;b,c"]),  # a sequence, not a set of signs
    ],
)
def test_a_given_delimiter_is_one_sign_or_sequence(delimiter, cell, names):
    assert labels_of([cell], delimiter=delimiter) == [names]


def test_two_delimiters_are_refused_with_both_options():
    with pytest.raises(InputError, match=r"delimiter='\|' \(in 1 image\) or delimiter=','"):
        split_cells(["a|b", "c, d", "e, f"])


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("['a' 'b' ... 'z']", "cut short"),
        ("[0.5, 0.2]", "0.5, which is not a label"),
        ('{"sea": 0.9, "sun": 0.4}', "does not say which labels are present"),
        ("[['a', 'b']]", "which is not a label"),
    ],
)
def test_a_list_of_something_else_is_refused_with_its_place(cell, message):
    with pytest.raises(InputError, match=rf"line 2: .*{message}"):
        split_cells([cell], where=lambda row: f"line {row + 2}: ")


def test_a_contradiction_names_its_place():
    with pytest.raises(InputError, match="line 7: 'dog' is listed as both"):
        split_cells(["dog;?dog"], where=lambda row: f"line {row + 7}: ")


@pytest.mark.parametrize(
    ("cells", "how"),
    [
        (["sea;sun", "sea"], "labels are separated by ';'"),
        (["sea\nsun", "sea\n"], "labels are separated by line ends"),
        (["sea\tsun", "sea"], "labels are separated by tabs"),
        (["sea, sun\nsand", "sea"], "labels are separated by ',' and line ends"),
        (["sea", "sun\n", ""], "every entry is one label"),
        (["#sea #sun", "#sea"], "every label begins with '#'"),
    ],
)
def test_what_is_said_of_the_delimiter_is_what_really_separates(cells, how):
    assert split_cells(cells).how == how
