"""Types what a page of the documentation says, one block after another."""

from __future__ import annotations

import argparse
import doctest
import re
from contextlib import ExitStack
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import patch

import numpy as np
import typer

from imlgcn.cli import commands as command_line
from imlgcn.prediction.shards import Shard
from page_blocks import ROOT, commands


class Reader:
    """Types what a page says, one block after another."""

    def __init__(self, cli, small):
        self.cli, self.small = cli, small
        self.names = {"SentenceTransformer": Encoder, "numpy": np}
        self.open = ExitStack()  # the server

    def read(self, block, *, parse_only=False):
        if block.language in ("sh", "console"):
            for words in commands(block):
                self.type(words, parse_only or block.needs is not None)
        elif block.language == "python":
            compiled = compile(block.text, f"line {block.line}", "exec")
            if not parse_only and block.needs is None:
                exec(compiled, self.names)
        elif not parse_only:
            test = doctest.DocTestParser().get_doctest(block.text, self.names, "page", None, 0)
            assert doctest.DocTestRunner().run(test, clear_globs=False).failed == 0

    def type(self, words, parse_only):
        program, *arguments = words
        kinds = {
            **{"imlgcn": self.imlgcn, "curl": self.curl},
            **{"srun": self.started, "torchrun": self.started},
            **{"make": make, "python": python, "pip": pip, "source": skip},
        }
        assert program in kinds, f"the test does not know how to run {program!r}"
        kinds[program](arguments, parse_only)

    def started(self, arguments, parse_only):
        """Check what a program starts on several machines; it is not run."""
        assert parse_only
        self.imlgcn(arguments[arguments.index("imlgcn") + 1 :], parse_only)

    def imlgcn(self, arguments, parse_only):
        with patch("imlgcn.hub.address.hub_address", return_value=None):  # nothing is fetched
            context = parse(arguments)
        if parse_only:
            return
        name = arguments[0]
        if name == "serve":
            self.serve(context.params)
            return
        if name == "compare":
            given = {word for word in arguments if word.startswith("--")}
            arguments += [] if "--backbone" in given else self.small
            arguments += ["--epochs", "1", "--seeds", "1"]
        found = self.cli(*arguments)
        assert found.code == 0, f"imlgcn {' '.join(arguments)}\n{found.err}"
        for out in (context.params.get("out"), context.params.get("json_file")):
            shard = context.params.get("shard")
            assert out is None or (Shard.of(shard).name(out) if shard else Path(out)).exists()

    def serve(self, options):
        """Start what `imlgcn serve` starts; a page that starts two ends the first."""
        from fastapi.testclient import TestClient

        from imlgcn.serve import ServeSettings, create_app
        from imlgcn.tagger import Tagger

        self.open.close()
        app = create_app(Tagger.load(options["tagger"]), ServeSettings(grow=options["grow"]))
        home = f"http://{options['host']}:{options['port']}"
        client = TestClient(app, base_url=home, client=("127.0.0.1", 50000))
        self.server = self.open.enter_context(client)

    def curl(self, arguments, parse_only):
        """Send what curl would send."""
        options = CURL.parse_args(arguments)
        if parse_only:
            return
        url = options.url
        if options.data_binary:
            answer = self.server.post(url, content=file_of(options.data_binary))
        elif options.form:
            fields = [field.split("=", 1) for field in options.form]
            files = [(name, (path[1:], file_of(path))) for name, path in fields]
            answer = self.server.post(url, files=files)
        elif options.method == "POST":
            answer = self.server.post(url)
        else:
            answer = self.server.get(url)
        assert answer.status_code == 200, answer.text


CURL = argparse.ArgumentParser(exit_on_error=False)


CURL.add_argument("-s", action="store_true")


CURL.add_argument("-F", dest="form", action="append")


CURL.add_argument("-X", dest="method", default="GET")


CURL.add_argument("--data-binary")


CURL.add_argument("url")


def file_of(argument):
    """Return what a file holds that curl is given with an at sign."""
    assert argument.startswith("@")
    return Path(argument[1:]).read_bytes()


@cache
def known_commands():
    """Return the commands of the command line by name."""
    return typer.main.get_command(command_line()).commands


def parse(arguments):
    """Return what the command line understands, without running it."""
    name, *rest = arguments
    found = known_commands()
    assert name in found, f"imlgcn has no command {name!r}"
    return found[name].make_context(name, list(rest))


def make(arguments, parse_only):
    targets = re.findall(
        r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    for word in arguments:
        assert "=" in word or word in targets, f"make knows no {word!r}"


def python(arguments, parse_only):
    """Check a script, a module, or pytest on files: that they and their options are there."""
    if arguments[:2] == ["-m", "pytest"]:
        files = [word for word in arguments[2:] if word.startswith("tests/")]
        assert all((ROOT / word.split("::")[0]).exists() for word in files)
        return
    if arguments[0] == "-m":
        source = ROOT / f"{arguments[1].replace('.', '/')}.py"
    else:
        source = ROOT / arguments[0]
    text = source.read_text(encoding="utf-8")
    assert all(f'"{word}"' in text for word in arguments if word.startswith("--"))


def pip(arguments, parse_only):
    """Check that the extras of the package are known."""
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for extras in re.findall(r"imlgcn\[(\w+)\]", " ".join(arguments)):
        assert re.search(rf"^{extras} = ", settings, re.MULTILINE)


def skip(arguments, parse_only):
    """Opening the environment is the reader's."""


class Encoder:
    """Stands for a text encoder that is not installed."""

    def __init__(self, name):
        assert find_spec("sentence_transformers") is None, "then use the real one"

    def encode(self, names):
        return np.ones((len(names), 4), np.float32)
