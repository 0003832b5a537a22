"""The folder of a run: refused when it holds something else, resumed when it is unfinished."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from imlgcn.config import InputError, TrainSettings
from imlgcn.files import write_atomic

# all that a run writes; nothing else in a folder is ever deleted
FILES = (
    "model.safetensors",
    "model.json",
    "config.yaml",
    "metrics.json",
    "log.jsonl",
    "predictions.parquet",
    "report.html",
    "split.csv",
)
CHECKPOINTS = "checkpoints"


def open_run_folder(
    out: Path, settings: TrainSettings, data: str, *, resume: bool = False, replace: bool = False
) -> None:
    """Make ``out`` ready and write ``config.yaml``.

    ``resume`` goes on with an unfinished run of the same settings; ``replace`` deletes an earlier
    run first (only the files a run writes).

    Raises:
        InputError: ``out`` is a file, or not empty, or was begun with other settings.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"--out takes a folder; {out} is a file")
    content = {"data": data, **settings.model_dump(mode="json")}
    config = out / "config.yaml"
    if resume and config.is_file():
        begun = yaml.safe_load(config.read_text(encoding="utf-8"))
        if begun != content:
            changed = sorted(k for k in content if (begun or {}).get(k) != content[k])
            raise InputError(
                f"{out} was begun with other settings ({', '.join(changed)}): give the same ones "
                "to --resume, or another --out"
            )
        return
    if replace:
        remove_run(out)
    if out.is_dir() and any(out.iterdir()):
        hint = "it holds an unfinished run: add --resume to go on with it, or "
        unfinished = config.is_file() and not (out / "model.json").is_file()
        raise InputError(
            f"the output folder {out} is not empty; "
            f"{hint if unfinished else ''}give another --out, or --overwrite to replace a run"
        )
    write_atomic(config, yaml.safe_dump(content, sort_keys=False))


def remove_run(out: Path) -> None:
    """Delete the files a run writes from ``out``, and nothing else."""
    for name in FILES:
        (out / name).unlink(missing_ok=True)
    if (out / CHECKPOINTS).is_dir():
        shutil.rmtree(out / CHECKPOINTS)


def read_settings(tagger: Path) -> dict[str, Any]:
    """Return the settings a tagger was trained with, without its data."""
    config = tagger / "config.yaml"
    if not config.is_file():
        raise InputError(f"{config} is missing: --from takes the folder of a trained tagger")
    settings: dict[str, Any] = yaml.safe_load(config.read_text(encoding="utf-8"))
    settings.pop("data", None)
    return settings


class RunLog:
    """``log.jsonl``: one line per event, in the order they happened."""

    def __init__(self, out: Path, *, keep: bool = False) -> None:
        self.path = out / "log.jsonl"
        if not keep:
            self.path.unlink(missing_ok=True)

    def __call__(self, row: dict[str, Any]) -> None:
        """Append one line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
