"""The source archive and the wheel: both are complete, and nothing else is in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from tools.distributions import ROOT, distributions

pytestmark = pytest.mark.thorough

ALONE = {"PKG-INFO", ".gitignore"}  # that the build adds
LEAVINGS = ("__pycache__", ".pyc", ".egg-info", ".venv", "_cache/", ".coverage", ".tmp")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The archive and the wheel that is built from it."""
    wheel, archive = sorted(
        distributions(tmp_path_factory.mktemp("dist")), key=lambda file: file.suffix, reverse=True
    )
    assert (archive.suffixes[-2:], wheel.suffix) == ([".tar", ".gz"], ".whl")
    return archive, wheel


@pytest.fixture(scope="module")
def unpacked(built, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(built[0]) as archive:
        archive.extractall(folder, filter="data")
    (inside,) = folder.iterdir()
    return inside


def content(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as file:
        return {name: file.read(name) for name in file.namelist()}


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_archive_has_what_the_tests_read_and_no_leavings(unpacked):
    found = files(unpacked)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    tops = {name.partition("/")[0] for name in found}
    meta = {"LICENSE", "README.md", "pyproject.toml"}
    assert tops == {name.lstrip("/") for name in wanted} | meta | ALONE
    assert {"src/imlgcn/py.typed", "tests/conftest.py", "docs/index.md"} <= found
    assert [name for name in found if any(part in name for part in LEAVINGS)] == []


def test_the_archive_has_no_file_that_is_not_tracked(unpacked):
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert files(unpacked) - {"PKG-INFO"} <= set(listed.stdout.splitlines())


def test_the_wheel_of_the_archive_is_that_of_the_tree(built, tmp_path):
    (direct,) = distributions(tmp_path / "direct", only_wheel=True)
    assert content(built[1]) == content(direct)


def test_the_wheel_says_what_it_is(built):
    found = content(built[1])
    (name,) = [name for name in found if name.endswith(".dist-info/METADATA")]
    metadata = message_from_bytes(found[name])
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().startswith("# imlgcn")
    licence = name.replace("METADATA", "licenses/LICENSE")
    assert found[licence] == (ROOT / "LICENSE").read_bytes()


def test_what_is_installed_from_the_archive_tags(built, onnx_file, tagger, shapes, tmp_path):
    place = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--target", str(place), str(built[0])], check=True)
    image = shapes.parent / "00.png"
    code = "import imlgcn, sys; from imlgcn.cli import main; print(imlgcn.__file__); main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "predict", str(onnx_file), str(image)],
        env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=True,
    )
    origin, *rows = done.stdout.splitlines()
    assert Path(origin).is_relative_to(place)
    assert {json.loads(row)["label"] for row in rows} == {tag.label for tag in tagger(image)}


def test_the_tests_of_the_archive_run_where_it_is_unpacked(unpacked):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/test_packaging.py", "tests/test_numbers.py"],
        cwd=unpacked,
        env={**os.environ, "PYTHONPATH": "src"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
