"""A message fits its reader: Python reads arguments, the terminal flags; one table joins them."""

from __future__ import annotations

import ast
import inspect
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
# words before "=" in messages that are not arguments: values, examples of content, other programs
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
    from imlgcn.config import train_settings
    from imlgcn.errors import InputError
    from imlgcn.training.output import open_run_folder

    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="out= takes a folder"):
        open_run_folder(tmp_path / "file", train_settings(), {})
    found = cli("train", "openclipart", "--out", tmp_path, "--device", "gpu")
    found.assert_refused("--device takes auto, cpu")


def takes(function, name: str) -> bool:
    """Whether a function takes an argument, by its signature or by what its ``**`` is read as."""
    from imlgcn.data.source import FLAGS as READING
    from imlgcn.data.source import HOW
    from imlgcn.errors import InputError
    from imlgcn.training.resolve import spell_out

    parameters = inspect.signature(function).parameters
    if name in parameters or name in getattr(function, "other_names", {}):
        return True
    if "how" in parameters:
        return name in HOW or name in READING
    try:
        return "settings" in parameters and bool(spell_out({name: None}) or True)
    except InputError:
        return False


# what the terminal prints or draws, a value in Python: report.to_dict(), propose_parents, ...
SHOWN = {
    "check": {"json", "propose_parents", "save_table"},
    "evaluate": {"report"},
    "predict": {"cluster", "watch", "settle"},  # batch.predict_on_ray, prediction.watch.watch
}
IN_PYTHON = {
    "train": imlgcn.train,
    "predict": imlgcn.predict,
    "evaluate": imlgcn.evaluate,
    "check": imlgcn.check_dataset,
    "split": imlgcn.split_dataset,
    "export": imlgcn.export,
}


@pytest.mark.parametrize("command", IN_PYTHON)
def test_every_flag_is_an_argument_of_the_same_name_in_python(command):
    parameters = typer.main.get_command(commands()).commands[command].params
    flags = {flag for p in parameters for flag in (*p.opts, *p.secondary_opts) if flag[:2] == "--"}
    names = {flag.removeprefix("--").replace("-", "_") for flag in flags} - SHOWN.get(
        command, set()
    )
    assert not {name for name in names if not takes(IN_PYTHON[command], name)}


def test_a_flag_that_turns_something_off_does_so_in_python():
    from imlgcn.training.resolve import spell_out

    assert spell_out({"freeze": True}) == {"fine_tune": False}
    assert spell_out({"no_refit": True, "label_column": "x"}) == {
        "refit": False,
        "label_columns": "x",
    }
    assert spell_out({"set": ["seed=3"]}) == spell_out({"set": {"seed": 3}}) == {"seed": 3}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"freeze": True, "fine_tune": True}, "freeze= and fine_tune= are one argument"),
        ({"no_refit": "yes"}, "no_refit= takes True or False; got 'yes'"),
        ({"set": ["sede=3"]}, "unknown setting 'sede'; did you mean 'seed'"),
    ],
)
def test_names_of_flags_that_contradict_are_refused(given, words):
    from imlgcn.errors import InputError
    from imlgcn.training.resolve import spell_out

    with pytest.raises(InputError, match=words):
        spell_out(given)


def test_an_argument_that_nothing_takes_is_answered_with_the_nearest():
    from imlgcn.data.source import DataSource
    from imlgcn.errors import InputError

    with pytest.raises(InputError, match="unknown argument 'label_colum'; did you mean 'label_col"):
        DataSource.of("photos.csv", label_colum="tags")
