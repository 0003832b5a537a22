"""Whatever anybody gives to any command, it ends in one sentence, and never in a traceback."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
import typer

from imlgcn.cli import commands, internal_error
from imlgcn.errors import InputError

GOLDEN = Path(__file__).parents[1] / "golden" / "format_1"
GARBAGE = ("bin.csv", "bin.onnx", "bin.yaml", "bin.json", "bin.pt", "bin.jpg", "bin.parquet")
GARBAGE += ("bin.xlsx", "bin.zip", "bin.tar", "bin")
EMPTY = ("empty.csv", "empty.onnx", "empty.yaml", "empty.json", "empty.jpg")
TEXTS = {
    "deep.yaml": "[" * 5_000,
    "date.yaml": "seed: 2024-99-99",
    "list.yaml": "[1, 2]",
    "inf.yaml": "seed: .inf\nhead_training: {epochs: 1.0e+300}",
    "wrong.yaml": "head_options: {x: 1}\nhead: 5\nloss: 7",
    "quote.csv": 'image,label,answer\n"a.jpg,x,yes\n',
}
WORDS = ("", " ", "none.csv", "folder", "half", ".", "/dev/null", "/dev/zero", "loop", "fifo.jpg")
WORDS += (
    "-1",
    "0",
    "1e400",
    "nan",
    "-inf",
    "9" * 30,
    "9" * 5_000,
    "x" * 5_000,
    "é\u0301",
    "\udcff",
)
WORDS += ("a\nb", "\x1b[31m", "=1+1", "a=", "a:b:c", "seed=1e22", "head_training.epochs=1e400")
WORDS += ("x.y.z=1", "loss.name=5", "sea:1", "[", "{}", "out.xyz", "cuda:99", "iml_gcn:graph=5")
SECRET = "/home/ann/secret.jpg"
HOSTILE = (*GARBAGE, *EMPTY, *TEXTS, *WORDS)
DRAWS = int(os.environ.get("IMLGCN_FUZZ_COMMANDS", "4"))  # of each command; more take minutes


def leaves(command, path=()):
    """Yield the words and the parameters of every command."""
    if inner := getattr(command, "commands", None):
        for name, one in inner.items():
            yield from leaves(one, (*path, name))
    else:
        yield path, command.params


COMMANDS = dict(leaves(typer.main.get_command(commands())))


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A working folder of hostile files, and a good tagger."""
    monkeypatch.chdir(tmp_path)
    for name in GARBAGE:
        Path(name).write_bytes(random.Random(name).randbytes(3_000))
    for name in EMPTY:
        Path(name).touch()
    for name, text in TEXTS.items():
        Path(name).write_text(text)
    Path("folder").mkdir()
    Path("half").mkdir()
    Path("half/model.json").write_text('{"format": 2, "labels": ["a"]}')
    Path("loop").symlink_to("loop")
    os.mkfifo("fifo.jpg")
    shutil.copytree(GOLDEN, "tagger")
    return tmp_path


def draw(words, parameters, chance):
    """Return arguments: the first is hostile, unless a good tagger takes a hostile option."""
    arguments = [*words]
    options = [p for p in parameters if p.param_type_name == "option" and p.name != "help"]
    first = True
    for one in parameters:
        if one.param_type_name == "argument":
            is_tagger = first and one.name == "tagger" and words[0] in ("predict", "explain")
            arguments.append("tagger" if is_tagger and chance.random() < 0.5 else None)
            first = False
    arguments = [chance.choice(HOSTILE) if one is None else one for one in arguments]
    more = chance.sample(options, min(2, len(options)))
    for option in {one.name: one for one in (*more, *(o for o in options if o.required))}.values():
        flag = option.opts[0]
        arguments.append(flag if option.is_flag else f"{flag}={chance.choice(HOSTILE)}")
    return arguments


# demo takes no input, systems builds every network, serve listens
TRIED = sorted(words for words in COMMANDS if words[0] not in ("demo", "systems", "params"))


@pytest.mark.parametrize("words", TRIED, ids=" ".join)
def test_no_input_ends_a_command_in_a_traceback(cli, work, words):
    chance = random.Random(" ".join(words))
    for _ in range(DRAWS):
        arguments = draw(words, COMMANDS[words], chance)
        found = cli(*arguments)
        assert found.code in (0, 1, 2, 3), (arguments, found.err)
        assert "Traceback" not in found.err, arguments
        assert found.code == 0 or len(found.err) < 5_000, arguments
        assert not list(work.glob("imlgcn-error-*")), arguments


@pytest.fixture
def broken(monkeypatch, tmp_path):
    """The command line whose check fails in a way that nobody expected, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(internal_error.DEBUG, raising=False)

    def fail(*_, **__):
        raise KeyError(SECRET)

    monkeypatch.setattr("imlgcn.data.check.check_dataset", fail)
    return tmp_path


def test_an_internal_error_is_one_line_and_a_file_without_paths_and_values(cli, shapes, broken):
    found = cli("check", shapes, "--delimiter=geheim", "--no-images")
    (file,) = broken.glob("imlgcn-error-*.txt")
    assert found.code == 70
    last = found.err.splitlines()[-1]
    assert last == (
        f"imlgcn: internal error (KeyError); details are in {file}, please attach it to a report"
    )
    text = file.read_text()
    assert "arguments: check ... --delimiter=... --no-images" in text
    assert "test_hostile_options.py" in text
    assert "torch " in text
    for private in ("secret", "ann", "geheim", str(shapes), str(Path.home()) + "/"):
        assert private not in text


def test_the_file_of_an_internal_error_has_all_where_that_is_asked_for(
    cli, shapes, broken, monkeypatch
):
    monkeypatch.setenv(internal_error.DEBUG, "1")
    assert cli("check", shapes).code == 70
    (file,) = broken.glob("imlgcn-error-*.txt")
    assert SECRET in file.read_text()
    assert str(shapes) in file.read_text()


def test_a_file_of_an_internal_error_goes_where_there_is_room(cli, shapes, broken, monkeypatch):
    other = broken / "tmp"
    other.mkdir()
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(other))

    def gone():
        raise FileNotFoundError

    monkeypatch.setattr("imlgcn.cli.internal_error.Path.cwd", gone)
    assert cli("check", shapes).code == 70
    assert list(other.glob("imlgcn-error-*.txt"))


def test_a_message_does_not_command_the_terminal(cli, monkeypatch):
    def refuse(*_, **__):
        raise InputError("the label \x1b[31mred\x07 is " + "x" * 9_000)

    monkeypatch.setattr("imlgcn.data.check.check_dataset", refuse)
    monkeypatch.setattr("imlgcn.cli.check.load", lambda *_: None)
    found = cli("check", "data.csv")
    assert "\x1b" not in found.err
    assert r"\x1b[31mred\x07" in found.err
    assert len(found.err) < 1_000


def test_a_full_memory_is_said(cli, monkeypatch):
    def fill(*_):
        raise MemoryError

    monkeypatch.setattr("imlgcn.cli.check.load", fill)
    cli("check", "data.csv").assert_refused("the memory is full")
