"""Options that several commands share; imports nothing heavy."""

from __future__ import annotations

from typing import Annotated

import typer

Device = Annotated[
    str, typer.Option(help="auto (a CUDA GPU, if there is one), cpu, cuda, cuda:1 or mps.")
]
