"""The source archive and the wheel, as they would be uploaded, and what the index checks.

    python tools/distributions.py [FOLDER]

The wheel is built from the archive, as those who install from source build it. build and twine are
installed into an environment of their own that is gone afterwards; nothing is uploaded.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
TOOLS = ("build>=1.2", "twine>=6.1")


def distributions(out: Path, source: Path = ROOT, *, only_wheel: bool = False) -> list[Path]:
    """Build ``source`` into the folder ``out`` and check the files there; return them.

    With ``only_wheel`` a wheel straight from the tree, without an archive between them.

    Raises:
        subprocess.CalledProcessError: one cannot be built, or its description cannot be shown.
    """
    with TemporaryDirectory() as folder:
        environment = Path(folder)
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        subprocess.run([*pip, *TOOLS], check=True)
        what = ["--wheel"] if only_wheel else []
        build = [str(python), "-m", "build", *what, "--outdir", str(out), str(source)]
        subprocess.run(build, check=True)
        files = sorted(out.iterdir())
        check = [str(python), "-m", "twine", "check", "--strict", *map(str, files)]
        subprocess.run(check, check=True)
    return files


def main() -> None:
    """Build into a folder that is empty or does not exist."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "dist")
    folder = parser.parse_args().folder
    if folder.is_dir() and any(folder.iterdir()):
        sys.exit(f"{folder} is not empty: what is there could be uploaded as well; delete it first")
    for file in distributions(folder):
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
