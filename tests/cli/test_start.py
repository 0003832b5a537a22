"""How little the commands load before they work: what users wait for each time."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from imlgcn.cli.plain_values import QuickCommand

# as the script `imlgcn` does it; what is loaded when it ends is the last line
SCRIPT = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules))))
from imlgcn.cli import main
main()
"""
HEAVY = {"torch", "timm", "pyarrow", "pydantic", "rich", "matplotlib", "jinja2", "yaml"}
# of our own: what trains, reads data or draws; readers, writers and metrics that were not asked for
PARTS = {"config", "pipeline", "report", "training", "serve", "views", "data.formats"}
UNASKED = {"labels.context", "metrics.protocol", "prediction.merging", "prediction.xmp"}


def loaded_by(*arguments: str) -> tuple[str, set[str]]:
    """Return what a command prints and the modules that it has loaded."""
    environment = {**os.environ, "COLUMNS": "100"}
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=True,
    )
    *lines, modules = done.stdout.splitlines()
    return "\n".join(lines) + done.stderr, set(json.loads(modules))


def libraries(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


@pytest.fixture(scope="module")
def one_image(onnx_file, shapes):
    return loaded_by("predict", onnx_file, shapes.parent / "00.png")


def test_one_image_is_tagged_without_loading_what_it_does_not_need(one_image):
    text, modules = one_image
    assert '"label"' in text
    assert "1 image read" in text
    assert libraries(modules) & HEAVY == set()
    assert modules & {f"imlgcn.{part}" for part in PARTS | UNASKED} == set()


def test_the_collector_is_spared_while_loading_and_at_the_end_but_not_between():
    script = """
import gc, atexit, sys
atexit.register(lambda: print(gc.get_freeze_count() > 5_000))
from imlgcn.cli.loading import loading
with loading():
    import imlgcn.tagger.tagger
    print(gc.isenabled())
print(gc.isenabled())
assert len(gc.get_objects()) < 5_000  # the rest is frozen
sys.modules.update({name: None for name in sys.argv[1:]})
"""
    for others, kept in ([], "True"), (["torch"], "False"):
        done = subprocess.run(
            [sys.executable, "-c", script, *others], capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == ["False", "True", kept]


@pytest.mark.parametrize("option", ["--topk=2", "--at-most=1", "--threshold=0.5", "--all"])
def test_options_of_every_kind_are_still_converted(cli, onnx_file, shapes, option):
    assert cli("predict", onnx_file, shapes.parent / "00.png", option).code == 0


def test_a_value_that_is_no_number_is_still_refused(cli, onnx_file, shapes):
    done = cli("predict", onnx_file, shapes.parent / "00.png", "--topk", "two")
    assert done.code == 2
    assert "Invalid value" in done.err
    assert done.out == ""


def test_the_version_is_printed_without_loading_the_commands():
    text, modules = loaded_by("--version")
    assert text.startswith("imlgcn ")
    assert libraries(modules) & (HEAVY | {"numpy", "PIL"}) == set()


def test_the_help_lists_all_commands_and_loads_no_library_for_settings_or_networks():
    text, modules = loaded_by("--help")
    assert all(name in text for name in ("predict", "train", "serve", "merge-predictions"))
    assert libraries(modules) & HEAVY == {"rich"}


def test_a_path_that_has_to_exist_is_still_checked(tmp_path):
    app = typer.Typer()

    @app.command(cls=QuickCommand)
    def show(file: Annotated[Path, typer.Argument(exists=True)], name: Path | None = None) -> None:
        typer.echo(f"{file.name} {name!r}")

    (tmp_path / "a").touch()
    runner = CliRunner()
    assert runner.invoke(app, [str(tmp_path / "b")]).exit_code == 2
    assert runner.invoke(app, [str(tmp_path / "a")]).output == "a None\n"
