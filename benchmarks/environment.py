"""What a result was measured on: every table carries these lines."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("imlgcn", "torch", "torchvision", "timm", "lightning", "numpy", "pillow")


def describe(command: str) -> str:
    """Return Markdown lines: command, machine, versions."""
    import torch

    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return "\n".join(
        (
            f"- command: `{command}`",
            f"- machine: {_processor()}, {torch.get_num_threads()} torch threads, no GPU used",
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
