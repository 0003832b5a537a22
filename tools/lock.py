"""Write `requirements.lock`: every package of constraints.txt with the hash of its file.

    python tools/lock.py

`pip install --require-hashes --requirement requirements.lock` then installs these files and no
others; constraints.txt is for people. The hashes are those of the files for the machine that this
runs on (Linux x86-64, Python 3.11).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "requirements.lock"
HEAD = """\
# The files of constraints.txt with their hashes, for machines (Linux x86-64, Python 3.11):
# pip install --require-hashes --requirement requirements.lock
# Written by `make lock`.
"""


def locked(report: dict[str, Any], without: str = "imlgcn") -> str:
    """Return the lock file for a report of `pip install --report`.

    Raises:
        ValueError: pip does not know the hash of a file.
    """
    lines = []
    for entry in report["install"]:
        name, version = entry["metadata"]["name"], entry["metadata"]["version"]
        if name == without:
            continue
        hashes = entry["download_info"].get("archive_info", {}).get("hashes", {})
        if "sha256" not in hashes:
            raise ValueError(f"pip reports no SHA-256 of {name} {version}")
        plain = re.sub(r"[-_.]+", "-", name).lower()
        lines.append(f"{plain}=={version} --hash=sha256:{hashes['sha256']}\n")
    return HEAD + "".join(sorted(lines))


def main() -> None:
    """Ask pip what it would install, and write it."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"]
        command += ["--quiet", "--constraint", "constraints.txt", "--report", str(report), ".[dev]"]
        subprocess.run(command, cwd=ROOT, check=True)
        TARGET.write_text(locked(json.loads(report.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
