"""The order of the layers, proven from the source, and what an import may cost."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import imlgcn

ROOT = Path(imlgcn.__file__).parent
PAGE = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
# each line imports only from the lines above it, and from itself unless it is one of several
ORDER = [
    line.split(", ") for line in re.search(r"```text\n(parsing.*?)```", PAGE, re.S)[1].splitlines()
]
LEVEL = {name: level for level, names in enumerate(ORDER) for name in names}
FILES = sorted(ROOT.rglob("*.py"))
MODULES = {
    "imlgcn." + ".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for p in FILES
} | {"imlgcn"}
HEAVY = ("torch", "torchvision", "timm", "lightning", "sklearn", "matplotlib")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def is_for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imports(body, *, deep: bool):
    """Yield the modules that statements import: `deep` looks into functions, too."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module
        elif not is_for_types_only(node) and (deep or not isinstance(node, ast.FunctionDef)):
            yield from imports(ast.iter_child_nodes(node), deep=deep)


def part_of(module: str) -> str:
    """Return the part of the package that a module belongs to: the name below `imlgcn`."""
    return module.split(".")[1] if "." in module else ""


def wrong_imports(path: Path, tree: ast.Module) -> list[str]:
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    used = {m for m in imports(tree.body, deep=True) if m.split(".")[0] == "imlgcn"}
    wrong = [f"{own} -> {module}" for module in used if not part_of(module)]
    for module in used:
        other = part_of(module)
        if other and other != own and LEVEL[other] >= LEVEL[own]:
            wrong.append(f"{own} -> {module}")
    return wrong


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_from_its_left(path):
    if path != ROOT / "__init__.py":
        assert wrong_imports(path, tree_of(path)) == []


@pytest.mark.parametrize(
    "text",
    [
        "from imlgcn.tagger import Tagger",
        "def f():\n    from imlgcn.pipeline import train",
        "import imlgcn.models.heads",
        "from imlgcn import Tagger",  # the package itself stands over everything
        "class A:\n    if True:\n        from imlgcn.models import Head",
    ],
)
def test_an_import_from_the_right_is_found_wherever_it_hides(text):
    assert wrong_imports(ROOT / "data" / "images.py", ast.parse(text)) != []


def test_a_name_for_type_checkers_may_come_from_anywhere():
    text = "if TYPE_CHECKING:\n    from imlgcn.tagger import Tagger"
    assert wrong_imports(ROOT / "data" / "images.py", ast.parse(text)) == []


def test_every_part_of_the_package_has_its_place():
    parts = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in FILES}
    assert parts - {"__init__"} == set(LEVEL)


def module_of(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return f"imlgcn.{name}".removesuffix(".__init__")


def test_no_modules_import_each_other_not_even_inside_a_function():
    """A circle, of any length, would be found as a part of the graph that can reach itself."""
    arrows = {}
    for path in FILES:
        found = set(imports(tree_of(path).body, deep=True))
        arrows[module_of(path)] = {m for m in found if m in MODULES} - {module_of(path)}
    settled: set[str] = set()
    while ready := {m for m, used in arrows.items() if m not in settled and used <= settled}:
        settled |= ready
    assert set(arrows) - settled == set()


def public_functions(package: ModuleType) -> set[str]:
    values = {name: getattr(package, name) for name in getattr(package, "__all__", ())}
    return {name for name, value in values.items() if inspect.isfunction(value)}


@pytest.mark.parametrize("package", [p.parent for p in FILES if p.name == "__init__.py"], ids=str)
def test_no_module_shares_the_name_of_a_public_function(package):
    """`imlgcn.evaluate` is the function, whatever was imported before it."""
    inside = {p.stem for p in package.glob("*.py")} | {p.name for p in package.iterdir()}
    module = import_module(module_of(package / "__init__.py"))
    assert public_functions(module) & inside == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_unpickles_or_evaluates_what_it_reads(path):
    calls = {
        ast.unparse(node.func) for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)
    }
    assert not calls & {"pickle.load", "pickle.loads", "eval", "exec", "yaml.load", "torch.save"}


def fresh(code: str) -> dict:
    """Run code in a new interpreter; it prints one JSON value."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(done.stdout)


def test_importing_the_package_costs_next_to_nothing():
    code = (
        "import json, sys, time; before = set(sys.modules); t = time.process_time(); import imlgcn;"
        "spent = time.process_time() - t;"
        "print(json.dumps([spent, sorted(set(sys.modules) - before)]))"
    )
    spent, modules = fresh(code)
    assert not {name.split(".")[0] for name in modules} & {*HEAVY, "numpy", "pydantic", "rich"}
    assert spent < 0.3


@pytest.mark.parametrize(
    "module",
    [
        "data",
        "labels",
        "metrics",
        "tagger",
        "prediction",
        "batch",
        "evaluation",
        "pipeline",
        "serve",
        "cli",
    ],
)
def test_a_module_that_prediction_needs_imports_nothing_heavy(module):
    heavy = fresh(
        f"import json, sys, imlgcn.{module};"
        f"print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    )
    assert heavy == []


def test_every_public_name_is_there_and_nothing_else_is():
    for name in imlgcn.__all__:
        assert getattr(imlgcn, name).__name__ == name if name != "HEADS" else imlgcn.HEADS
    assert set(imlgcn.__all__) <= set(dir(imlgcn))
    with pytest.raises(AttributeError, match="no attribute 'Trainer'"):
        _ = imlgcn.Trainer
