"""The environment of a result: every table carries these lines."""

from __future__ import annotations

import platform
import shlex
import sys
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("imlgcn", "torch", "torchvision", "timm", "lightning", "numpy", "pillow")


def describe(command: str | None = None) -> str:
    """Return Markdown lines: the command (None: the one that runs), machine, versions."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return "\n".join(
        (
            f"- command: `{command or shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])}`",
            f"- machine: {_processor()}, {torch.get_num_threads()} torch threads, {gpu}",
            f"- software: Python {platform.python_version()}, {packages}",
        )
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        if names:
            return f"{len(names)} x {names[0]}"
    return platform.processor() or platform.machine()
