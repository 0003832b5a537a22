"""Write `constraints-oldest.txt`: every dependency of pyproject.toml at the lowest version allowed.

`make test-oldest` installs them and runs the tests. Only what pyproject.toml names is held down:
what those packages need in turn is for pip to choose, as it does for a user.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "constraints-oldest.txt"
HEADER = """\
# The lowest versions that pyproject.toml allows, as `make test-oldest` tests them (Python 3.11).
# Made by `python tools/oldest.py`; do not edit.
"""
REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:\[[\w,-]+\])?(?:>=(?P<floor>[\w.]+))?(?:,.*)?")


def oldest(pyproject: str) -> str:
    """Return the constraints for the text of a pyproject.toml."""
    project = tomllib.loads(pyproject)["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    floors = {}
    for requirement in (line for group in groups for line in group):
        found = REQUIREMENT.fullmatch(requirement)
        if not found:
            raise ValueError(f"expected a requirement like 'name>=1.2', got {requirement!r}")
        name, floor = found["name"], found["floor"]
        if name == project["name"]:  # an extra made of other extras
            continue
        if floor is None:
            raise ValueError(f"{name} has no lowest version in pyproject.toml; write '{name}>=...'")
        if floors.setdefault(name, floor) != floor:
            raise ValueError(f"{name} has two lowest versions: {floors[name]} and {floor}")
    return HEADER + "".join(f"{name}=={floors[name]}\n" for name in sorted(floors))


if __name__ == "__main__":
    TARGET.write_text(oldest((ROOT / "pyproject.toml").read_text()))
