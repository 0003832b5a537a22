"""Every command and snippet of the documentation runs, in the order of its page.

So that this takes seconds, five things are other than what a reader has, and nothing else is: the
embedded data are 72 small drawings, a backbone that a command trains is tiny and at 64 pixels,
every training lasts one epoch, it is `quick`, and a change of labels does not write exported files
anew. A server answers in this process. A block with
``title="needs ..."`` is for data or a machine that a test does not have: its commands must be ones
that the command line knows.
"""

from __future__ import annotations

import re
import shutil

import pytest

from imlgcn.tagger import Tagger
from imlgcn.tagger.folder import LEARNT
from page_blocks import OTHER, ROOT, RUN, blocks, pages
from thorough import thorough_but

from .reader import Reader, known_commands

TINY_LABELS = {
    "blue": "food",
    "circle": "fruit",
    "dark": "animal",
    "red": "bird",
    "square": "flower",
}
# their code is run by the test named here, with more around it than a page can have
ELSEWHERE = {"docs/adding-a-head.md": "tests/models/test_adding_a_head.py"}
PAGES = [str(page.relative_to(ROOT)) for page in pages()]
TYPED = [page for page in PAGES if any(b.language in RUN for b in blocks(ROOT / page))]
# the default run types none of them, make test-thorough all
FIRST = ()

pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="the pages are not here")


@pytest.fixture(scope="module")
def drawings(shapes, tmp_path_factory):
    """The shapes under label names that the pages use, without splits: ``photos.csv``."""
    folder = tmp_path_factory.mktemp("photos")
    for picture in shapes.parent.glob("*.png"):
        shutil.copy(picture, folder)
    rows = shapes.read_text(encoding="utf-8")
    for name, other in TINY_LABELS.items():
        rows = rows.replace(name, other)
    (folder / "labels.csv").write_text(rows, encoding="utf-8")  # as the embedded data have it
    lines = [line.rpartition(",")[0] for line in rows.splitlines()]
    for name in ("photos.csv", "half-tagged.csv"):
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def trained(drawings, train_tiny, tmp_path_factory):
    """A tagger of these drawings; for a reader they are images it has not learnt. Read only."""
    run = train_tiny(tmp_path_factory.mktemp("demo") / "run", drawings / "labels.csv").path
    (run / LEARNT).unlink()
    return run


@pytest.fixture
def place(drawings, trained, tmp_path, monkeypatch):
    """What a reader has beside the page: images, tags for them, the demo's tagger."""
    for item in drawings.iterdir():
        shutil.copy(item, tmp_path)
    folders = {"photos": "0*.png", "more": "1*.png", "lighthouses": "2*.png", "towers": "3*.png"}
    for folder, pictures in folders.items():
        (tmp_path / folder).mkdir()
        for picture in drawings.glob(pictures):
            shutil.copy(picture, tmp_path / folder)
    shutil.copy(drawings / "00.png", tmp_path / "photo.jpg")
    shutil.copytree(trained, tmp_path / "runs" / "demo")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def small(monkeypatch, weights, drawings, place, quick_runs):
    """Make every training small: see the head of this file."""
    from imlgcn import pipeline

    whole = pipeline.train
    tiny = {"backbone": "test_efficientnet", "weights": str(weights), "size": 64}
    short = {stage: {"epochs": 1} for stage in ("linear", "graph", "tuning")}

    def train(data, out, *, start=None, **settings):
        changes = short if start else tiny | short
        for key, value in changes.items():
            settings[key] = settings.get(key, {}) | value if isinstance(value, dict) else value
        settings["tuning"]["workers"] = 0
        return whole(data, out, start=start, **settings)

    monkeypatch.setattr("imlgcn.data.openclipart.unpack", lambda **_: drawings)
    monkeypatch.setattr(pipeline, "train", train)
    for module in ("exports", "table"):
        again = f"imlgcn.growing.{module}.export_again"
        monkeypatch.setattr(again, lambda path, *_: Tagger.load(path))
    return ["--backbone", "test_efficientnet", "--weights", str(weights), "--size", "64"]


INLINE = re.compile(r"`(imlgcn [a-z]+ [^`]*|--[a-z][^`]*)`")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_option_within_a_sentence_is_known(page):
    text = re.sub(r"^ *```.*?^ *```$", "", (ROOT / page).read_text("utf-8"), flags=re.M | re.S)
    all_commands = known_commands()
    options = {
        name: {
            flag
            for one in (command, *getattr(command, "commands", {}).values())  # a group
            for parameter in one.params
            for flag in (*parameter.opts, *parameter.secondary_opts)
        }
        for name, command in all_commands.items()
    }
    for found in INLINE.findall(" ".join(text.split())):
        program, *words = found.split()
        named = program == "imlgcn"
        known = (
            options[words[0]] if named and words[0] in options else set().union(*options.values())
        )
        assert not named or words[0] in {*options, "COMMAND"}, found
        for word in found.split():
            if word.startswith("--"):
                assert word.split("=")[0] in known | {"--help"}, f"{word} in `{found}`"


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    known = {block.language for block in blocks(ROOT / page)} - {*RUN, *OTHER}
    assert not known, "a language that no test runs"
    fences = re.findall(r"^ *```(\w*)", text, re.MULTILINE)
    assert len(fences) % 2 == 0


@pytest.mark.parametrize("page", thorough_but(FIRST, TYPED))
def test_every_command_and_snippet_of_the_page_runs(page, cli, small, request):
    reader = Reader(cli, small)
    request.addfinalizer(reader.open.close)
    if page in ELSEWHERE:
        assert page in (ROOT / ELSEWHERE[page]).read_text(encoding="utf-8")
    for block in [block for block in blocks(ROOT / page) if block.language in RUN]:
        if block.language == "python" and page in ELSEWHERE:
            continue  # parts of a file, too
        try:
            reader.read(block, parse_only=page in ELSEWHERE)
        except BaseException as error:
            error.add_note(f"{page}, line {block.line}")
            raise
