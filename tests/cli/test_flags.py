"""A message fits its reader: Python reads arguments, the terminal flags; one table joins them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import typer

import imlgcn
from imlgcn.cli import commands
from imlgcn.cli.flags import FLAGS, in_flags

ROOT = Path(imlgcn.__file__).parent
LIBRARY = [path for path in sorted(ROOT.rglob("*.py")) if "cli" not in path.relative_to(ROOT).parts]
SAID = {"say", "InputError", "ImageError", "ExportRefused", "unknown_name"}
# words before "=" in messages that are no arguments: values, examples of content, other programs
OTHERS = {"precision", "recall", "key", "dog", "lam"}


def messages(path: Path) -> list[str]:
    """Every text that a call of InputError, progress.say and the like gives to a reader."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).split(".")[-1]
            if name in SAID:
                found += [text for argument in node.args for text in texts(argument)]
    return found


def texts(node: ast.AST) -> list[str]:
    if isinstance(node, ast.JoinedStr):
        parts = (v.value if isinstance(v, ast.Constant) else "X" for v in node.values)
        return ["".join(map(str, parts))]
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    return [text for child in ast.iter_child_nodes(node) for text in texts(child)]


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_library_never_speaks_of_flags_and_only_of_arguments_that_have_one(path):
    for message in messages(path):
        assert not re.search(r"(?<![\w`-])--[a-z]", message), message
        for name in re.findall(r"(?<![\w./-])([a-z_]+)=", message):
            assert name in FLAGS or name in OTHERS, message


def options() -> set[str]:
    """Every flag of every command."""
    group = typer.main.get_command(commands())
    inner = [getattr(one, "commands", {"": one}) for one in group.commands.values()]  # of groups
    parameters = [p for inside in inner for one in inside.values() for p in one.params]
    return {flag for p in parameters for flag in (*p.opts, *p.secondary_opts)}


def test_every_flag_that_a_message_can_name_exists():
    assert set(FLAGS.values()) <= options()


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "the folder is not empty; give another out=",
            "the folder is not empty; give another --out",
        ),
        ("it is unfinished: add resume=True", "it is unfinished: add --resume"),
        ("such as threshold=0.5", "such as --threshold 0.5"),
        ("engine='torch' is not there; leave it out", "--engine torch is not there; leave it out"),
        (
            "its entries look like source='csra' or source='asl'",
            "its entries look like --from csra or --from asl",
        ),
        ("(head_options.threshold=0.2)", "(--set head_options.threshold=0.2)"),
        ("published for VOC: options.lam=0.1)", "published for VOC: --set lam=0.1)"),
        ("precision=0.9 cannot be reached", "precision=0.9 cannot be reached"),
        ("/photos/size=3/a.jpg is damaged", "/photos/size=3/a.jpg is damaged"),
        ("(fields=['a b', 'c'])", "(--fields 'a b' --fields c)"),
        ("(label_columns='Finding Labels')", "(--label-column 'Finding Labels')"),
        ("nothing to say", "nothing to say"),
    ],
)
def test_arguments_become_flags_and_nothing_else_changes(message, expected):
    assert in_flags(message) == expected


def test_the_terminal_reads_flags_and_python_reads_arguments(cli, tmp_path):
    from imlgcn.config import InputError, train_settings
    from imlgcn.training.output import open_run_folder

    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="out= takes a folder"):
        open_run_folder(tmp_path / "file", train_settings(), {})
    found = cli("train", "openclipart", "--out", tmp_path, "--device", "gpu")
    found.assert_refused("--device takes auto, cpu")
