"""Build the documentation into a folder; needs no network.

python docs/generator/build.py build/site
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml
from stage import ROOT, stage

GENERATOR = Path(__file__).resolve().parent
SETTINGS = ROOT / "mkdocs.yml"


def build(site: Path) -> int:
    """Gather the pages beside ``site`` and build them; a broken link is an error. Return the code."""
    site = site.resolve()
    pages = site.with_name(f"{site.name}-pages")
    stage(pages)
    settings = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))
    settings |= {"docs_dir": pages.name, "site_dir": site.name}  # beside this file
    python = settings["plugins"]["mkdocstrings"]["handlers"]["python"]
    python["paths"] = [str(ROOT / "src")]
    file = site.with_name(f"{site.name}.yml")
    file.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    paths = [str(GENERATOR), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "-f", str(file)]
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1] if len(sys.argv) > 1 else "build/site")))
