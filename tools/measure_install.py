"""What an installation costs: the MB of each library, and the time to the first tags.

    python tools/measure_install.py [--extra NAME ...] [--file EXPORTED] [--out FILE]

The wheel is built and installed into a new environment, as a user would do it. pip, which makes
the environment and is not used afterwards, is counted in its own line. With an exported file, one
image is tagged from the shell, in turns with a plain ONNX Runtime script (examples/python/tag.py).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
IMAGE = ROOT / "docs" / "images" / "page-light.png"
ROUNDS = 11
SIZES = """
import importlib.metadata, importlib.util, json, os
found = {}
for one in importlib.metadata.distributions():
    files = {os.path.realpath(one.locate_file(file)) for file in one.files or ()}
    files |= {importlib.util.cache_from_source(file) for file in files if file.endswith(".py")}
    sizes = [os.path.getsize(file) for file in files if os.path.isfile(file)]
    found[one.metadata["Name"]] = one.version, sum(sizes)
print(json.dumps(found))
"""


class Part(NamedTuple):
    """A library: its name, version and size in MB."""

    name: str
    version: str
    megabytes: float


def install(folder: Path, extras: Sequence[str] = ()) -> Path:
    """Install the wheel of this tree into a new environment in ``folder``; return its Python."""
    wheels, environment = folder / "wheels", folder / "environment"
    pip = ("-m", "pip", "--disable-pip-version-check")
    build = [sys.executable, *pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels)]
    subprocess.run([*build, str(ROOT)], check=True)
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    (wheel,) = wheels.glob("*.whl")
    wanted = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
    subprocess.run([str(python), *pip, "install", "--quiet", wanted], check=True)
    return python


def parts(python: Path) -> list[Part]:
    """Return what is installed beside a Python, with its bytecode, the largest first."""
    # -P: what is in the folder that this is started from is not installed
    done = subprocess.run([str(python), "-P", "-c", SIZES], stdout=subprocess.PIPE, check=True)
    found: Mapping[str, tuple[str, int]] = json.loads(done.stdout)
    rows = (Part(name, version, size / 1e6) for name, (version, size) in found.items())
    return sorted(rows, key=lambda part: -part.megabytes)


def seconds(command: Sequence[str]) -> float:
    """Return the processor seconds of a command, its children included."""
    before = os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = os.times()
    used = after.children_user + after.children_system
    return used - before.children_user - before.children_system


def table(python: Path, extras: Sequence[str], found: Sequence[Part]) -> str:
    """Return the sizes as Markdown."""
    named = "".join(f" --extra {extra}" for extra in extras)
    package = f"'imlgcn[{','.join(extras)}]'" if extras else "imlgcn"
    lines = [
        f"## `pip install {package}`: {sum(part.megabytes for part in found):.0f} MB",
        "",
        f"`python tools/measure_install.py{named}`, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}; bytecode included.",
        "",
        "| library | version | MB |",
        "|---|---|---|",
        *(f"| {part.name} | {part.version} | {part.megabytes:.1f} |" for part in found),
        "",
    ]
    return "\n".join(lines)


def starts(python: Path, file: Path) -> str:
    """Tag one image from the shell in turns with a plain script; return the medians."""
    script = ROOT / "examples" / "python" / "tag.py"
    commands = {
        "`imlgcn predict`": [str(python), "-P", "-m", "imlgcn", "predict", str(file), str(IMAGE)],
        "plain ONNX Runtime script": [str(python), str(script), str(file), str(IMAGE)],
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            taken[name].append(seconds(command))
    rows = [f"| {name} | {median(values):.2f} |" for name, values in taken.items()]
    head = ["## One image from the shell", "", "| command | processor seconds |", "|---|---|"]
    return "\n".join([*head, *rows, "", f"Medians of {ROUNDS} alternating rounds.", ""])


def main() -> None:
    """Install, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--extra", action="append", default=[])
    parser.add_argument("--file", type=Path, help="an exported .onnx file, to time the first tags")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        python = install(Path(folder), arguments.extra)
        text = table(python, arguments.extra, parts(python))
        if arguments.file:
            text += "\n" + starts(python, arguments.file.resolve())
    print(text)
    if arguments.out:
        arguments.out.write_text("# Installation\n\n" + text, encoding="utf-8")


if __name__ == "__main__":
    main()
