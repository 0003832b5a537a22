"""Build the documentation into a folder; needs no network.

python docs/generator/build.py build/site
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from stage import ROOT, stage

GENERATOR = Path(__file__).resolve().parent


def settings() -> dict[str, Any]:
    """Return what mkdocs.yml says, with the place of the sources whole."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    found["plugins"]["mkdocstrings"]["handlers"]["python"]["paths"] = [str(ROOT / "src")]
    return found


def build(site: Path) -> int:
    """Gather the pages beside ``site``, build them, and return 0; a broken link is an error."""
    site = site.resolve()
    pages = site.with_name(f"{site.name}-pages")
    stage(pages)
    places = {"docs_dir": pages.name, "site_dir": site.name}  # seen from the file below
    file = site.with_name(f"{site.name}.yml")
    file.write_text(yaml.safe_dump(settings() | places, sort_keys=False), encoding="utf-8")
    paths = [str(GENERATOR), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "-f", str(file)]
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1] if len(sys.argv) > 1 else "build/site")))
